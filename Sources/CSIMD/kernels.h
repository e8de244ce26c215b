// The kernels, written once in vector types and compiled for each instruction set.
//
// The including file defines KERNELS (the table's name), KERNELS_NAME, TARGET (clang's feature
// list), WIDTH (floats per register), COLUMNS (registers of rows per step) and QUERY_BLOCK:
// QUERY_BLOCK * COLUMNS accumulators, COLUMNS row registers and one broadcast have to fit the
// register file. HAS_FMA and HAS_HALF say that there are such instructions; DOT4 multiplies bytes,
// COMPRESS and COUNT_KEPT gather kept lanes, where there are instructions for that.

#include "CSIMD.h"

#include <math.h>
#include <string.h>

#ifdef TARGET
#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)
#endif

// The canonical arithmetic is spelled out; the compiler must not fuse what it finds.
#pragma STDC FP_CONTRACT OFF
// Wide vectors pass between functions here only where those are inlined: no ABI is involved.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef float floats __attribute__((vector_size(WIDTH * 4)));
typedef int32_t ints __attribute__((vector_size(WIDTH * 4)));
typedef floats floats_anywhere __attribute__((aligned(4)));
typedef float float16 __attribute__((vector_size(64)));
typedef double double16 __attribute__((vector_size(128)));
typedef double double8 __attribute__((vector_size(64)));
typedef uint16_t ushort16 __attribute__((vector_size(32)));
typedef uint32_t uint16w __attribute__((vector_size(64)));
typedef int32_t int16w __attribute__((vector_size(64)));

#if defined(__FMA__) || defined(__ARM_NEON) || defined(HAS_FMA)
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

// Sixteen stored numbers as Float32. `count` < 16 leaves the rest zero.
INLINE float16 load16(const char *source, int32_t element, size_t count) {
  switch (element) {
  case CSIMD_FLOAT32: {
    float16 values = {0};
    memcpy(&values, source, count * 4);
    return values;
  }
  case CSIMD_FLOAT16: {
#ifdef HAS_HALF
    typedef _Float16 half16 __attribute__((vector_size(32)));
    half16 halves = {0};
    memcpy(&halves, source, count * 2);
    return __builtin_convertvector(halves, float16);
#else
    ushort16 stored = {0};
    memcpy(&stored, source, count * 2);
    uint16w bits = __builtin_convertvector(stored, uint16w);
    uint16w sign = (bits & 0x8000) << 16;
    // The exponent moves from bias 15 to 127 by an exact product, subnormals included; a full
    // exponent (infinity, NaN) is restored by hand.
    float16 magnitude = (float16)((bits & 0x7FFF) << 13) * 0x1p112f;
    uint16w full = (uint16w)((bits & 0x7C00) == 0x7C00) & 0x7F800000;
    return (float16)((uint16w)magnitude | full | sign);
#endif
  }
  case CSIMD_BFLOAT16: {
    ushort16 stored = {0};
    memcpy(&stored, source, count * 2);
    return (float16)(__builtin_convertvector(stored, uint16w) << 16);
  }
  case CSIMD_INT8: {
    typedef int8_t char16 __attribute__((vector_size(16)));
    char16 stored = {0};
    memcpy(&stored, source, count);
    return __builtin_convertvector(stored, float16);
  }
  default: {
    typedef uint8_t uchar16 __attribute__((vector_size(16)));
    uchar16 stored = {0};
    memcpy(&stored, source, count);
    return __builtin_convertvector(stored, float16);
  }
  }
}

INLINE size_t element_bytes(int32_t element) {
  return element == CSIMD_FLOAT32 ? 4 : element <= CSIMD_BFLOAT16 ? 2 : 1;
}

INLINE void widen_as(const char *source, int32_t element, size_t dimension, float *target) {
  size_t bytes = element_bytes(element);
  size_t d = 0;
  for (; d + 16 <= dimension; d += 16) {
    float16 values = load16(source + d * bytes, element, 16);
    memcpy(target + d, &values, 64);
  }
  if (d < dimension) {
    float16 values = load16(source + d * bytes, element, dimension - d);
    memcpy(target + d, &values, (dimension - d) * 4);
  }
}

static void widen(csimd_rows rows, size_t row, float *target) {
  const char *source = (const char *)rows.start + row * rows.stride;
  switch (rows.element) {
  case CSIMD_FLOAT32: return widen_as(source, CSIMD_FLOAT32, rows.dimension, target);
  case CSIMD_FLOAT16: return widen_as(source, CSIMD_FLOAT16, rows.dimension, target);
  case CSIMD_BFLOAT16: return widen_as(source, CSIMD_BFLOAT16, rows.dimension, target);
  case CSIMD_INT8: return widen_as(source, CSIMD_INT8, rows.dimension, target);
  default: return widen_as(source, CSIMD_UINT8, rows.dimension, target);
  }
}

// The canonical tree: lanes 8, 4, 2 and 1 apart.
INLINE double add_lanes(double16 lanes) {
  double sums[16];
  memcpy(sums, &lanes, sizeof sums);
  for (int half = 8; half > 0; half /= 2)
    for (int lane = 0; lane < half; lane++) sums[lane] += sums[lane + half];
  return sums[0];
}

INLINE double16 canonical_step(double16 lanes, float16 query, float16 vector, int squared_l2) {
  double16 q = __builtin_convertvector(query, double16);
  double16 x = __builtin_convertvector(vector, double16);
  if (squared_l2) {
    double16 difference = q - x;
    return __builtin_elementwise_fma(difference, difference, lanes);
  }
  return q * x + lanes;  // exact product, so fused or not is the same
}

INLINE double canonical_sum(const float *query, const char *source, int32_t element,
                            size_t dimension, int squared_l2) {
  size_t bytes = element_bytes(element);
  double16 lanes = {0};
  size_t d = 0;
  for (; d + 16 <= dimension; d += 16)
    lanes = canonical_step(lanes, load16((const char *)(query + d), CSIMD_FLOAT32, 16),
                           load16(source + d * bytes, element, 16), squared_l2);
  if (d < dimension)
    lanes = canonical_step(lanes,
                           load16((const char *)(query + d), CSIMD_FLOAT32, dimension - d),
                           load16(source + d * bytes, element, dimension - d), squared_l2);
  return add_lanes(lanes);
}

INLINE void canonical_sums_as(const float *query, csimd_rows rows, int32_t element,
                              const int32_t *listed, size_t count, int squared_l2, double *sums) {
  const char *start = rows.start;
  size_t bytes = rows.dimension * element_bytes(element);
  for (size_t i = 0; i < count; i++) {
    // Listed rows are far apart: ask for the one after next while this one is scored.
    if (i + 2 < count) {
      const char *next = start + (size_t)listed[i + 2] * rows.stride;
      for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(next + line);
    }
    const char *source = start + (size_t)listed[i] * rows.stride;
    sums[i] = squared_l2 ? canonical_sum(query, source, element, rows.dimension, 1)
                         : canonical_sum(query, source, element, rows.dimension, 0);
  }
}

static void canonical_sums(const float *query, csimd_rows rows, const int32_t *listed,
                           size_t count, int squared_l2, double *sums) {
  switch (rows.element) {
  case CSIMD_FLOAT32:
    return canonical_sums_as(query, rows, CSIMD_FLOAT32, listed, count, squared_l2, sums);
  case CSIMD_FLOAT16:
    return canonical_sums_as(query, rows, CSIMD_FLOAT16, listed, count, squared_l2, sums);
  case CSIMD_BFLOAT16:
    return canonical_sums_as(query, rows, CSIMD_BFLOAT16, listed, count, squared_l2, sums);
  case CSIMD_INT8:
    return canonical_sums_as(query, rows, CSIMD_INT8, listed, count, squared_l2, sums);
  default:
    return canonical_sums_as(query, rows, CSIMD_UINT8, listed, count, squared_l2, sums);
  }
}

static void widen_rows(csimd_rows rows, size_t first, size_t count, float *target,
                       double *squares) {
  for (size_t r = 0; r < count; r++) {
    float *row = target + r * rows.dimension;
    widen(rows, first + r, row);
    squares[r] = canonical_sum(row, (const char *)row, CSIMD_FLOAT32, rows.dimension, 0);
  }
}

static void pack(const float *rows, size_t dimension, size_t count, float *panel) {
  if (count < CSIMD_PANEL) memset(panel, 0, dimension * CSIMD_PANEL * sizeof(float));
  for (size_t r = 0; r < count; r++)
    for (size_t d = 0; d < dimension; d++) panel[d * CSIMD_PANEL + r] = rows[r * dimension + d];
}

static void pack_quantized(const float *rows, size_t dimension, size_t count, int32_t zero,
                           int exact, uint8_t *panel, csimd_quantized *results) {
  memset(panel, 0, (dimension + 3) / 4 * CSIMD_PANEL * 4);
  for (size_t r = 0; r < count; r++) {
    const float *row = rows + r * dimension;
    float largest = 0;
    for (size_t d = 0; d < dimension; d++) largest = fmaxf(largest, fabsf(row[d]));
    float step = exact ? 1.0f : largest / (float)(255 - zero);
    float inverse = step > 0 ? 1.0f / step : 0;
    double residual = 0, squares = 0, sum = 0;
    for (size_t d = 0; d < dimension; d++) {
      float scaled = row[d] * inverse;
      int32_t code = (int32_t)rintf(fminf(fmaxf(scaled, (float)-zero), (float)(255 - zero)));
      panel[(d / 4 * CSIMD_PANEL + r) * 4 + d % 4] = (uint8_t)(code + zero);
      double approximation = (double)step * code;
      double difference = (double)row[d] - approximation;
      residual += difference * difference;
      squares += approximation * approximation;
      sum += approximation;
    }
    results[r] = (csimd_quantized){step, sqrt(residual), sqrt(squares), sum};
  }
}

// All ones in the first `count` of 16 lanes.
INLINE int16w first_lanes(size_t count) {
  int16w lanes;
  for (int32_t lane = 0; lane < 16; lane++) lanes[lane] = lane < (int32_t)count ? -1 : 0;
  return lanes;
}

static csimd_rounded_query quantize_query(const float *row, size_t dimension, int exact,
                                          size_t stride, int8_t *codes, csimd_query *query) {
  // In the last vector row[0] stands in for what is not there.
  float16 first_value = row[0] - (float16){0};
  float16 lows = first_value, highs = first_value;
  int16w whole = (int16w){0} - 1;
  for (size_t first = 0; first < dimension; first += 16) {
    size_t count = dimension - first < 16 ? dimension - first : 16;
    float16 values = load16((const char *)(row + first), CSIMD_FLOAT32, count);
    int16w present = first_lanes(count);
    values = (float16)(((int16w)values & present) | ((int16w)first_value & ~present));
    lows = __builtin_elementwise_min(lows, values);
    highs = __builtin_elementwise_max(highs, values);
    whole &= values == __builtin_elementwise_rint(values);
  }
  float low = __builtin_reduce_min(lows), high = __builtin_reduce_max(highs);
  // Beyond 2^20 the middle of whole numbers need not be one.
  int fractions = !exact || __builtin_reduce_and(whole) == 0 || high - low > 255 ||
                  fmaxf(fabsf(low), fabsf(high)) > 0x1p20f;

  float step = fractions ? high / 254 - low / 254 : 1;
  float middle = fractions ? low / 2 + high / 2 : low + 128;
  float inverse = step > 0x1p-120f ? 1 / step : 0;
  double16 residual = {0}, lengths = {0};
  int16w sums = {0}, squares = {0};
  for (size_t first = 0; first < dimension; first += 16) {
    size_t count = dimension - first < 16 ? dimension - first : 16;
    float16 values = load16((const char *)(row + first), CSIMD_FLOAT32, count);
    float16 lowest = (float16){0} - 128, highest = (float16){0} + 127;
    float16 scaled = __builtin_elementwise_rint((values - middle) * inverse);
    scaled = __builtin_elementwise_min(__builtin_elementwise_max(scaled, lowest), highest);
    int16w present = first_lanes(count);
    int16w code = __builtin_convertvector(scaled, int16w) & present;
    double16 rounded = __builtin_convertvector(code, double16) * (double)step + (double)middle;
    rounded *= __builtin_convertvector(-present, double16);
    double16 difference = __builtin_convertvector(values, double16) - rounded;
    residual += difference * difference;
    lengths += rounded * rounded;
    sums += code;
    squares += code * code;
    typedef int8_t char16 __attribute__((vector_size(16)));
    char16 bytes = __builtin_convertvector(code, char16);
    for (size_t j = 0; j < count; j += 4)
      memcpy(codes + (first + j) / 4 * stride, (const char *)&bytes + j, 4);
  }
  query->step = step;
  query->middle = middle;
  query->code_sum = __builtin_reduce_add(sums);
  return (csimd_rounded_query){sqrt(add_lanes(residual)), add_lanes(lengths),
                               (double)step * sqrt((double)__builtin_reduce_add(squares)) +
                                   fabs((double)middle) * sqrt((double)dimension)};
}

// Keeps the lanes of a register for which `kept` is set, in order, at the front of what is stored
// at `target`; what follows there is lost.
#ifdef COMPRESS
INLINE void store_kept(void *target, ints lanes, ints kept) { COMPRESS(target, lanes, kept); }
INLINE size_t count_kept(ints kept) { return COUNT_KEPT(kept); }
#else
INLINE void store_kept(void *target, ints lanes, ints kept) {
  int32_t *next = target;
  for (size_t j = 0; j < WIDTH; j++) {
    *next = lanes[j];
    next -= kept[j];  // true is -1
  }
}
INLINE size_t count_kept(ints kept) { return (size_t)-__builtin_reduce_add(kept); }
#endif

INLINE floats either(ints condition, floats yes, floats no) {
  return (floats)((condition & (ints)yes) | (~condition & (ints)no));
}

INLINE ints lane_numbers(void) {
  ints numbers;
  for (int32_t j = 0; j < WIDTH; j++) numbers[j] = j;
  return numbers;
}

// Appends what of COLUMNS registers of values, rows from `row` on, is not below the cut.
static __attribute__((noinline)) void append(csimd_query *query, const floats *values, float cut,
                                             float error, size_t row, size_t row_count) {
  for (size_t j = 0; j < COLUMNS; j++) {
    ints rows = (int32_t)(row + j * WIDTH) + lane_numbers();
    ints kept = ~(values[j] < cut) & (rows < (int32_t)row_count);
    // A value that is not a number bounds nothing.
    ints ordered = values[j] == values[j];
    floats upper = either(ordered, values[j] + error, INFINITY - (floats){0});
    floats lower = either(ordered, values[j] - error, -INFINITY - (floats){0});
    store_kept(query->upper + query->count, (ints)upper, kept);
    store_kept(query->lower + query->count, (ints)lower, kept);
    store_kept(query->rows + query->count, rows, kept);
    query->count += count_kept(kept);
  }
}

// The error of each query for panel p, and the value below which it may drop rows of it.
INLINE void find_cuts(const csimd_panels *panels, size_t p, const csimd_query *queries,
                      const size_t query_count, float *errors, float *cuts) {
  for (size_t i = 0; i < query_count; i++) {
    errors[i] = queries[i].a * panels->e[p] + queries[i].b * panels->f[p] + panels->g[p] +
                queries[i].c;
    cuts[i] = queries[i].threshold - errors[i];
  }
}

INLINE void keep(const floats *values, float cut, float error, size_t row, size_t row_count,
                 csimd_query *query) {
  ints kept = {0};
#pragma clang loop unroll(full)
  for (size_t j = 0; j < COLUMNS; j++) kept |= ~(ints)(values[j] < cut);  // so that NaN is kept
  if (__builtin_expect(__builtin_reduce_or(kept) != 0, 0))
    append(query, values, cut, error, row, row_count);
}

INLINE floats load_floats(const float *source) { return *(const floats_anywhere *)source; }

// COLUMNS registers of rows against `query_count` queries, a constant once inlined.
INLINE void filter_step(const csimd_panels *panels, const float *packed, const size_t query_count,
                        size_t row, const float *errors, const float *cuts,
                        csimd_query *queries) {
  const float *values = (const float *)panels->values +
                        row / CSIMD_PANEL * panels->dimension * CSIMD_PANEL + row % CSIMD_PANEL;
  floats sums[QUERY_BLOCK][COLUMNS];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++)
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = (floats){0};

#pragma clang loop unroll(disable)
  for (size_t d = 0; d < panels->dimension; d++) {
    floats rows[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++)
      rows[j] = load_floats(values + d * CSIMD_PANEL + j * WIDTH);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < query_count; i++) {
      floats query = packed[d * query_count + i] - (floats){0};  // x - 0 folds to a broadcast
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = MULTIPLY_ADD(query, rows[j], sums[i][j]);
    }
  }

#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++) {
    floats results[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++)
      results[j] = MULTIPLY_ADD(sums[i][j], load_floats(panels->scale + row + j * WIDTH),
                                load_floats(panels->offset + row + j * WIDTH));
    keep(results, cuts[i], errors[i], row, panels->row_count, &queries[i]);
  }
}

INLINE void filter_block(const csimd_panels *panels, const float *packed,
                         const size_t query_count, size_t begin, size_t end,
                         csimd_query *queries) {
  for (size_t p = begin; p < end; p++) {
    float errors[QUERY_BLOCK], cuts[QUERY_BLOCK];
    find_cuts(panels, p, queries, query_count, errors, cuts);
    for (size_t r = 0; r < CSIMD_PANEL; r += COLUMNS * WIDTH)
      filter_step(panels, packed, query_count, p * CSIMD_PANEL + r, errors, cuts, queries);
  }
}

// Calls `block` with the query count as a constant, so that its loops unroll into registers.
#define CASE(n, block) \
  case n: \
    if (n <= QUERY_BLOCK) \
      block(panels, packed, n <= QUERY_BLOCK ? n : 1, begin, end, queries); \
    return;
#define FOR_QUERY_COUNT(block) \
  switch (query_count) { \
    CASE(1, block) CASE(2, block) CASE(3, block) CASE(4, block) CASE(5, block) \
    CASE(6, block) CASE(7, block) CASE(8, block) CASE(9, block) CASE(10, block) \
    CASE(11, block) CASE(12, block) CASE(13, block) CASE(14, block) \
  }

static void filter(const csimd_panels *panels, const float *packed, size_t query_count,
                   size_t begin, size_t end, csimd_query *queries) {
  FOR_QUERY_COUNT(filter_block)
}

#ifdef DOT4
// The same over bytes. DOT4(sums, rows, query) adds to each 32-bit lane the four products of its
// unsigned bytes of `rows` and the signed bytes of `query`, without saturating.
INLINE void quantized_step(const csimd_panels *panels, const int8_t *packed,
                           const size_t query_count, size_t row, const float *errors,
                           const float *cuts, csimd_query *queries) {
  size_t quads = (panels->dimension + 3) / 4;
  const uint8_t *values = (const uint8_t *)panels->values +
                          (row / CSIMD_PANEL * quads * CSIMD_PANEL + row % CSIMD_PANEL) * 4;
  ints sums[QUERY_BLOCK][COLUMNS];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++)
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = (ints){0};

#pragma clang loop unroll(disable)
  for (size_t d = 0; d < quads; d++) {
    ints rows[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++)
      memcpy(&rows[j], values + (d * CSIMD_PANEL + j * WIDTH) * 4, sizeof rows[j]);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < query_count; i++) {
      int32_t query;
      memcpy(&query, packed + (d * query_count + i) * 4, 4);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++)
        sums[i][j] = DOT4(sums[i][j], rows[j], query - (ints){0});
    }
  }

#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++) {
    const csimd_query *query = &queries[i];
    floats results[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) {
      size_t first = row + j * WIDTH;
      floats dot = __builtin_convertvector(sums[i][j] - panels->zero * query->code_sum, floats);
      floats rest = MULTIPLY_ADD(query->middle - (floats){0}, load_floats(panels->sum + first),
                                 load_floats(panels->offset + first));
      results[j] = MULTIPLY_ADD(dot * query->step, load_floats(panels->scale + first), rest);
    }
    keep(results, cuts[i], errors[i], row, panels->row_count, &queries[i]);
  }
}

INLINE void quantized_block(const csimd_panels *panels, const int8_t *packed,
                            const size_t query_count, size_t begin, size_t end,
                            csimd_query *queries) {
  for (size_t p = begin; p < end; p++) {
    float errors[QUERY_BLOCK], cuts[QUERY_BLOCK];
    find_cuts(panels, p, queries, query_count, errors, cuts);
    for (size_t r = 0; r < CSIMD_PANEL; r += COLUMNS * WIDTH)
      quantized_step(panels, packed, query_count, p * CSIMD_PANEL + r, errors, cuts, queries);
  }
}

static void filter_quantized(const csimd_panels *panels, const int8_t *packed, size_t query_count,
                             size_t begin, size_t end, csimd_query *queries) {
  FOR_QUERY_COUNT(quantized_block)
}
#endif

INLINE size_t count_at_least(const float *values, size_t count, float least) {
  ints reached = {0};
  size_t i = 0;
  for (; i + WIDTH <= count; i += WIDTH) reached -= load_floats(values + i) >= least;
  size_t total = (size_t)__builtin_reduce_add(reached);
  for (; i < count; i++) total += values[i] >= least;
  return total;
}

static void tighten(csimd_query *query, size_t k) {
  if (k == 0 || query->count < k) return;
  floats lows = INFINITY - (floats){0}, highs = -INFINITY - (floats){0};
  size_t whole = query->count / WIDTH * WIDTH;
  for (size_t i = 0; i < whole; i += WIDTH) {
    lows = __builtin_elementwise_min(lows, load_floats(query->lower + i));
    highs = __builtin_elementwise_max(highs, load_floats(query->lower + i));
  }
  float low = __builtin_reduce_min(lows), high = __builtin_reduce_max(highs);
  for (size_t i = whole; i < query->count; i++) {
    low = fminf(low, query->lower[i]);
    high = fmaxf(high, query->lower[i]);
  }
  // Bisection: any value that k lower bounds reach will do, so a branch-free count per step and
  // a few steps beat a selection.
  low = fmaxf(low, query->threshold);
  if (count_at_least(query->lower, query->count, low) < k) return;
  if (count_at_least(query->lower, query->count, high) >= k) low = high;
  for (int step = 0; step < 16 && low < high; step++) {
    float middle = low / 2 + high / 2;
    if (!(middle > low && middle < high)) break;
    size_t reached = count_at_least(query->lower, query->count, middle);
    if (reached >= k) low = middle;
    else high = middle;
    if (reached == k) break;
  }
  if (!(low > query->threshold)) return;
  query->threshold = low;

  size_t kept = 0;
  for (size_t i = 0; i < whole; i += WIDTH) {
    floats upper = load_floats(query->upper + i);
    floats lower = load_floats(query->lower + i);
    ints rows;
    memcpy(&rows, query->rows + i, sizeof rows);
    ints reached = upper >= low;
    store_kept(query->upper + kept, (ints)upper, reached);
    store_kept(query->lower + kept, (ints)lower, reached);
    store_kept(query->rows + kept, rows, reached);
    kept += count_kept(reached);
  }
  for (size_t i = whole; i < query->count; i++) {
    if (query->upper[i] >= low) {
      query->upper[kept] = query->upper[i];
      query->lower[kept] = query->lower[i];
      query->rows[kept++] = query->rows[i];
    }
  }
  query->count = kept;
}

static uint8_t nearest_codeword(const float *subvector, const double *codewords, size_t width,
                                size_t padded_count) {
  float best = INFINITY;
  size_t nearest = 0;
  for (size_t c = 0; c < padded_count; c += 8) {
    // Eight codewords side by side, each with the canonical sixteen lanes.
    double8 lanes[16] = {0};
    for (size_t d = 0; d < width; d++) {
      double8 codeword;
      memcpy(&codeword, codewords + d * padded_count + c, sizeof codeword);
      double8 difference = (double)subvector[d] - codeword;
      lanes[d % 16] = __builtin_elementwise_fma(difference, difference, lanes[d % 16]);
    }
    for (int half = 8; half > 0; half /= 2)
      for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    for (size_t j = 0; j < 8; j++)
      if ((float)lanes[0][j] < best) {
        best = (float)lanes[0][j];
        nearest = c + j;
      }
  }
  return (uint8_t)nearest;
}

static void lookup_scores(const float *table, size_t codewords, const uint8_t *codes, size_t parts,
                          size_t row_count, float *scores) {
  size_t r = 0;
  for (; r + 8 <= row_count; r += 8) {  // eight independent sums hide the latency of one
    float sums[8] = {0};
    for (size_t m = 0; m < parts; m++)
      for (size_t j = 0; j < 8; j++)
        sums[j] += table[m * codewords + codes[(r + j) * parts + m]];
    memcpy(scores + r, sums, sizeof sums);
  }
  for (; r < row_count; r++) {
    float sum = 0;
    for (size_t m = 0; m < parts; m++) sum += table[m * codewords + codes[r * parts + m]];
    scores[r] = sum;
  }
}

static void sum_rows(const float *rows, size_t width, const int32_t *listed, size_t count,
                     double *sums, double *run) {
  memset(sums, 0, width * sizeof(double));
  for (size_t first = 0; first < count; first += 256) {
    size_t last = first + 256 < count ? first + 256 : count;
    memset(run, 0, width * sizeof(double));
    for (size_t i = first; i < last; i++) {
      const float *row = rows + (size_t)listed[i] * width;
      for (size_t d = 0; d < width; d++) run[d] += (double)row[d];
    }
    for (size_t d = 0; d < width; d++) sums[d] += run[d];
  }
}

#ifdef TARGET
#pragma clang attribute pop
#endif

const csimd_kernels KERNELS = {
    .name = KERNELS_NAME,
    .query_block = QUERY_BLOCK,
    .widen_rows = widen_rows,
    .pack = pack,
    .pack_quantized = pack_quantized,
    .quantize_query = quantize_query,
    .filter = filter,
#ifdef DOT4
    .filter_quantized = filter_quantized,
#endif
    .tighten = tighten,
    .canonical_sums = canonical_sums,
    .nearest_codeword = nearest_codeword,
    .lookup_scores = lookup_scores,
    .sum_rows = sum_rows,
};
