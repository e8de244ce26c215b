// Rows and queries as the filters want them. Part of kernels.h.

static void widen_rows(csimd_rows rows, size_t first, size_t count, float *target,
                       double *squares) {
  for (size_t r = 0; r < count; r++) {
    const float *row = (const float *)((const char *)rows.start + (first + r) * rows.stride);
    if (target) {
      widen(rows, first + r, target + r * rows.dimension);
      row = target + r * rows.dimension;
    }
    squares[r] = canonical_sum(row, (const char *)row, CSIMD_FLOAT32, rows.dimension, 0);
  }
}

static void pack(const float *rows, size_t dimension, size_t count, float *panel) {
  if (count < CSIMD_PANEL) memset(panel, 0, dimension * CSIMD_PANEL * sizeof(float));
  for (size_t r = 0; r < count; r++)
    for (size_t d = 0; d < dimension; d++) panel[d * CSIMD_PANEL + r] = rows[r * dimension + d];
}

// All ones in the first `count` of 16 lanes.
INLINE int16w first_lanes(size_t count) {
  int16w lanes;
  for (int32_t lane = 0; lane < 16; lane++) lanes[lane] = lane < (int32_t)count ? -1 : 0;
  return lanes;
}

static csimd_quantized quantize_row(const float *row, size_t dimension, int32_t zero, int exact,
                                    uint8_t *codes) {
  float16 highs = {0};
  for (size_t first = 0; first < dimension; first += 16) {
    size_t count = dimension - first < 16 ? dimension - first : 16;
    float16 values = load16((const char *)(row + first), CSIMD_FLOAT32, count);
    highs = __builtin_elementwise_max(highs, __builtin_elementwise_abs(values));
  }
  float step = exact ? 1.0f : __builtin_reduce_max(highs) / (float)(255 - zero);
  float inverse = step > 0 ? 1.0f / step : 0;
  float16 lowest = (float)-zero - (float16){0}, highest = (float)(255 - zero) - (float16){0};
  double16 residual = {0}, squares = {0}, sums = {0};
  for (size_t first = 0; first < dimension; first += 16) {
    size_t count = dimension - first < 16 ? dimension - first : 16;
    float16 values = load16((const char *)(row + first), CSIMD_FLOAT32, count);
    float16 scaled = __builtin_elementwise_rint(values * inverse);
    // The greater of a number and what is none is the number: every code is defined.
    scaled = __builtin_elementwise_min(__builtin_elementwise_max(scaled, lowest), highest);
    double16 approximation = __builtin_convertvector(scaled, double16) * (double)step;
    double16 difference = __builtin_convertvector(values, double16) - approximation;
    residual += difference * difference;
    squares += approximation * approximation;
    sums += approximation;
    int16w code = (__builtin_convertvector(scaled, int16w) + zero) & first_lanes(count);
    typedef uint8_t uchar16 __attribute__((vector_size(16)));
    uchar16 bytes = __builtin_convertvector(code, uchar16);
    for (size_t j = 0; j < count; j += 4)
      memcpy(codes + (first + j) / 4 * CSIMD_PANEL * 4, (const char *)&bytes + j, 4);
  }
  return (csimd_quantized){step, sqrt(add_lanes(residual)), sqrt(add_lanes(squares)),
                           add_lanes(sums)};
}

static void pack_quantized(const float *rows, size_t dimension, size_t count, int32_t zero,
                           int exact, uint8_t *panel, csimd_quantized *results) {
  if (count < CSIMD_PANEL) memset(panel, 0, (dimension + 3) / 4 * CSIMD_PANEL * 4);
  for (size_t r = 0; r < count; r++)
    results[r] = quantize_row(rows + r * dimension, dimension, zero, exact, panel + r * 4);
}

// A query number is about `step * code + middle`.
typedef struct {
  float step, middle;
} query_codes;

#ifdef DOT8
// DOT8 adds products in 16 bits: those of the numbers 0, 1, 4 and 5 of each eight, and of 2, 3, 6
// and 7. The bytes of rows are at most 255 and 255 * 128 < 2^15, so the codes of such a group may
// add up to 128 in magnitude.
#define GROUP_CODES 128

// The largest sum of distances to `middle` in a group.
INLINE float largest_group(const float *row, size_t dimension, float middle) {
  float16 largest = {0};
  for (size_t first = 0; first < dimension; first += 16) {
    size_t count = dimension - first < 16 ? dimension - first : 16;
    float16 values = load16((const char *)(row + first), CSIMD_FLOAT32, count) - middle;
    values = (float16)((int16w)__builtin_elementwise_abs(values) & first_lanes(count));
    values += __builtin_shufflevector(values, values, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13,
                                      12, 15, 14);
    values += __builtin_shufflevector(values, values, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8,
                                      9, 10, 11);
    largest = __builtin_elementwise_max(largest, values);
  }
  return __builtin_reduce_max(largest);
}

INLINE query_codes choose_codes(const float *row, size_t dimension, int whole, float low,
                                float high) {
  float middle = low / 2 + high / 2;
  if (whole) middle = rintf(middle);
  // Codes count from zero if no group is larger from there than from the middle: then a few numbers
  // far from zero decide. Else they count from the middle of all numbers.
  float group = largest_group(row, dimension, middle);
  float group_at_zero = largest_group(row, dimension, 0);
  if (group_at_zero <= group) {
    middle = 0;
    group = group_at_zero;
  }
  // Each of four codes may be rounded up by a half; two more are for rounding the quotients.
  int fits = whole && group < GROUP_CODES;
  return (query_codes){fits ? 1 : group / (GROUP_CODES - 4), middle};
}
#else
INLINE query_codes choose_codes(const float *row, size_t dimension, int whole, float low,
                                float high) {
  if (whole && high - low <= 255) return (query_codes){1, low + 128};
  return (query_codes){high / 254 - low / 254, low / 2 + high / 2};
}
#endif

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
  int all_whole = exact && __builtin_reduce_and(whole) != 0 &&
                  fmaxf(fabsf(low), fabsf(high)) <= 0x1p20f;
  query_codes codes_of = choose_codes(row, dimension, all_whole, low, high);
  float step = codes_of.step, middle = codes_of.middle;
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
