// The kernels, written once in vector types and compiled for each instruction set.
//
// The including file defines KERNELS (the table's name), KERNELS_NAME, TARGET (clang's feature
// list), WIDTH (floats per register), COLUMNS (registers of rows per step) and QUERY_BLOCK:
// QUERY_BLOCK * COLUMNS accumulators, COLUMNS row registers and one broadcast have to fit the
// register file.

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
    ushort16 stored = {0};
    memcpy(&stored, source, count * 2);
    uint16w bits = __builtin_convertvector(stored, uint16w);
    uint16w sign = (bits & 0x8000) << 16;
    // The exponent moves from bias 15 to 127 by an exact product, subnormals included; a full
    // exponent (infinity, NaN) is restored by hand.
    float16 magnitude = (float16)((bits & 0x7FFF) << 13) * 0x1p112f;
    uint16w full = (uint16w)((bits & 0x7C00) == 0x7C00) & 0x7F800000;
    return (float16)((uint16w)magnitude | full | sign);
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

static void pack_panel(csimd_rows rows, size_t first, size_t count, float *panel, double *squares,
                       float *scratch) {
  if (count < CSIMD_PANEL) memset(panel, 0, rows.dimension * CSIMD_PANEL * sizeof(float));
  for (size_t r = 0; r < count; r++) {
    widen(rows, first + r, scratch);
    squares[r] = canonical_sum(scratch, (const char *)scratch, CSIMD_FLOAT32, rows.dimension, 0);
    for (size_t d = 0; d < rows.dimension; d++) panel[d * CSIMD_PANEL + r] = scratch[d];
  }
}

// Appends the rows of `width` values, from `row` on, that are not below `cut`.
static __attribute__((noinline)) void append(csimd_list *list, const float *values, size_t width,
                                             size_t row, size_t row_count, float cut) {
  for (size_t j = 0; j < width && row + j < row_count; j++)
    if (!(values[j] < cut))
      list->items[list->count++] = (csimd_candidate){values[j], (int32_t)(row + j)};
}

// One panel's worth of COLUMNS registers against `query_count` queries, a constant once inlined.
INLINE void filter_step(const csimd_panels *panels, const float *queries, const size_t query_count,
                        size_t row, const float *cuts, csimd_list *lists) {
  const float *packed =
      panels->panels + row / CSIMD_PANEL * panels->dimension * CSIMD_PANEL + row % CSIMD_PANEL;
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
      rows[j] = *(const floats_anywhere *)(packed + d * CSIMD_PANEL + j * WIDTH);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < query_count; i++) {
      floats query = queries[d * query_count + i] - (floats){0};  // x - 0 folds to a broadcast
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = MULTIPLY_ADD(query, rows[j], sums[i][j]);
    }
  }

  floats scale[COLUMNS], offset[COLUMNS];
#pragma clang loop unroll(full)
  for (size_t j = 0; j < COLUMNS; j++) {
    scale[j] = *(const floats_anywhere *)(panels->scale + row + j * WIDTH);
    offset[j] = *(const floats_anywhere *)(panels->offset + row + j * WIDTH);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++) {
    floats values[COLUMNS];
    ints kept = {0};
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) {
      values[j] = MULTIPLY_ADD(sums[i][j], scale[j], offset[j]);
      kept |= ~(ints)(values[j] < cuts[i]);  // so that NaN is kept
    }
    if (__builtin_expect(__builtin_reduce_or(kept) != 0, 0))
      append(&lists[i], (const float *)values, COLUMNS * WIDTH, row, panels->row_count, cuts[i]);
  }
}

INLINE void filter_block(const csimd_panels *panels, const float *queries,
                         const size_t query_count, size_t begin, size_t end, csimd_list *lists) {
  for (size_t p = begin; p < end; p++) {
    float cuts[QUERY_BLOCK];
    for (size_t i = 0; i < query_count; i++) {
      const csimd_list *list = &lists[i];
      cuts[i] = list->threshold - (list->a * panels->e[p] + list->b * panels->f[p] + list->c);
    }
    for (size_t r = 0; r < CSIMD_PANEL; r += COLUMNS * WIDTH)
      filter_step(panels, queries, query_count, p * CSIMD_PANEL + r, cuts, lists);
  }
}

static void filter(const csimd_panels *panels, const float *queries, size_t query_count,
                   size_t begin, size_t end, csimd_list *lists) {
#define BLOCK(n) \
  case n: \
    if (n <= QUERY_BLOCK) \
      filter_block(panels, queries, n <= QUERY_BLOCK ? n : 1, begin, end, lists); \
    return;
  switch (query_count) {
    BLOCK(1) BLOCK(2) BLOCK(3) BLOCK(4) BLOCK(5) BLOCK(6) BLOCK(7)
    BLOCK(8) BLOCK(9) BLOCK(10) BLOCK(11) BLOCK(12) BLOCK(13) BLOCK(14)
  }
#undef BLOCK
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
    .widen = widen,
    .pack_panel = pack_panel,
    .filter = filter,
    .canonical_sums = canonical_sums,
    .nearest_codeword = nearest_codeword,
    .lookup_scores = lookup_scores,
    .sum_rows = sum_rows,
};
