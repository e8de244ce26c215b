// Canonical sums. Part of kernels.h.

// The canonical tree: lanes 8, 4, 2 and 1 apart.
INLINE double add_lanes(double16 lanes) {
  double8 eight = __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7) +
                  __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15);
  double4 four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                 __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  double2 two = __builtin_shufflevector(four, four, 0, 1) +
                __builtin_shufflevector(four, four, 2, 3);
  return two[0] + two[1];
}

INLINE double16 canonical_step(double16 lanes, double16 q, float16 vector, int squared_l2) {
  double16 x = __builtin_convertvector(vector, double16);
  if (squared_l2) {
    double16 difference = q - x;
    return __builtin_elementwise_fma(difference, difference, lanes);
  }
  return MULTIPLY_ADD(q, x, lanes);  // exact product, so fused or not is the same
}

// The canonical sums of `n` rows, a constant once inlined: one row alone would wait for its own
// additions.
INLINE void canonical_sums_of(const float *query, const char *const *sources, const size_t n,
                              int32_t element, size_t dimension, int squared_l2, double *sums) {
  size_t bytes = element_bytes(element);
  double16 lanes[SCORED_ROWS];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < n; i++) lanes[i] = (double16){0};
  for (size_t d = 0; d < dimension; d += 16) {
    // Lanes past the end see 0 and 0, which leaves them as they are.
    size_t count = d + 16 <= dimension ? 16 : dimension - d;
    if (count == 16) {
      double16 q = __builtin_convertvector(load16((const char *)(query + d), CSIMD_FLOAT32, 16),
                                           double16);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < n; i++)
        lanes[i] = canonical_step(lanes[i], q, load16(sources[i] + d * bytes, element, 16),
                                  squared_l2);
    } else {
      double16 q = __builtin_convertvector(
          load16((const char *)(query + d), CSIMD_FLOAT32, count), double16);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < n; i++)
        lanes[i] = canonical_step(lanes[i], q, load16(sources[i] + d * bytes, element, count),
                                  squared_l2);
    }
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < n; i++) sums[i] = add_lanes(lanes[i]);
}

INLINE double canonical_sum(const float *query, const char *source, int32_t element,
                            size_t dimension, int squared_l2) {
  double sum;
  canonical_sums_of(query, &source, 1, element, dimension, squared_l2, &sum);
  return sum;
}

INLINE void canonical_sums_as(const float *query, csimd_rows rows, int32_t element,
                              const int32_t *listed, size_t count, int squared_l2, double *sums) {
  const char *start = rows.start;
  size_t bytes = rows.dimension * element_bytes(element);
  size_t i = 0;
  for (; i + SCORED_ROWS <= count; i += SCORED_ROWS) {
    const char *sources[SCORED_ROWS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < SCORED_ROWS; j++) {
      sources[j] = start + (size_t)listed[i + j] * rows.stride;
      // Listed rows are far apart: ask for the next ones while these are scored.
      if (i + SCORED_ROWS + j < count)
        prefetch(start + (size_t)listed[i + SCORED_ROWS + j] * rows.stride, bytes);
    }
    canonical_sums_of(query, sources, SCORED_ROWS, element, rows.dimension, squared_l2, sums + i);
  }
#if SCORED_ROWS > 2
  if (i + 2 <= count) {
    const char *sources[] = {start + (size_t)listed[i] * rows.stride,
                             start + (size_t)listed[i + 1] * rows.stride};
    canonical_sums_of(query, sources, 2, element, rows.dimension, squared_l2, sums + i);
    i += 2;
  }
#endif
  for (; i < count; i++)
    sums[i] = canonical_sum(query, start + (size_t)listed[i] * rows.stride, element,
                            rows.dimension, squared_l2);
}

// Sums of whole numbers below 2^53 are exact in any order, hence canonical. Sixteen bits hold a
// difference of two numbers of -255...255, 32 bits 8,192 of its squares.
#define WHOLE_RUN 8192

INLINE double whole_sum(const int16_t *query, const void *source, int32_t element,
                        size_t dimension, int squared_l2) {
  int64_t sum = 0;
  for (size_t first = 0; first < dimension; first += WHOLE_RUN) {
    size_t last = dimension - first < WHOLE_RUN ? dimension : first + WHOLE_RUN;
    int32_t run = 0;
    for (size_t d = first; d < last; d++) {
      int16_t x = element == CSIMD_INT8 ? (int16_t)((const int8_t *)source)[d]
                                        : (int16_t)((const uint8_t *)source)[d];
      int16_t other = squared_l2 ? (int16_t)(query[d] - x) : x;
      run += (int32_t)(squared_l2 ? other : query[d]) * other;
    }
    sum += run;
  }
  return (double)sum;
}

INLINE void whole_sums_as(const int16_t *query, csimd_rows rows, int32_t element,
                          const int32_t *listed, size_t count, int squared_l2, double *sums) {
  for (size_t i = 0; i < count; i++) {
    if (i + 4 < count)
      prefetch((const char *)rows.start + (size_t)listed[i + 4] * rows.stride, rows.dimension);
    sums[i] = whole_sum(query, (const char *)rows.start + (size_t)listed[i] * rows.stride,
                        element, rows.dimension, squared_l2);
  }
}

#define SUMS_AS(element, squared_l2) \
  canonical_sums_as(scorer->query, rows, element, listed, count, squared_l2, sums)
#define WHOLE_SUMS_AS(element, squared_l2) \
  whole_sums_as(scorer->whole, rows, element, listed, count, squared_l2, sums)

static void canonical_sums(const csimd_scorer *scorer, const int32_t *listed, size_t count,
                           double *sums) {
  csimd_rows rows = scorer->rows;
  int squared_l2 = scorer->metric == CSIMD_SQUARED_L2;
  if (scorer->whole) {
    if (rows.element == CSIMD_INT8)
      return squared_l2 ? WHOLE_SUMS_AS(CSIMD_INT8, 1) : WHOLE_SUMS_AS(CSIMD_INT8, 0);
    return squared_l2 ? WHOLE_SUMS_AS(CSIMD_UINT8, 1) : WHOLE_SUMS_AS(CSIMD_UINT8, 0);
  }
  switch (rows.element) {
  case CSIMD_FLOAT32:
    return squared_l2 ? SUMS_AS(CSIMD_FLOAT32, 1) : SUMS_AS(CSIMD_FLOAT32, 0);
  case CSIMD_FLOAT16:
    return squared_l2 ? SUMS_AS(CSIMD_FLOAT16, 1) : SUMS_AS(CSIMD_FLOAT16, 0);
  case CSIMD_BFLOAT16:
    return squared_l2 ? SUMS_AS(CSIMD_BFLOAT16, 1) : SUMS_AS(CSIMD_BFLOAT16, 0);
  case CSIMD_INT8: return squared_l2 ? SUMS_AS(CSIMD_INT8, 1) : SUMS_AS(CSIMD_INT8, 0);
  default: return squared_l2 ? SUMS_AS(CSIMD_UINT8, 1) : SUMS_AS(CSIMD_UINT8, 0);
  }
}

static int whole_numbers(const float *query, size_t dimension, int16_t *whole) {
  int32_t fractions = 0;
  for (size_t d = 0; d < dimension; d++) {
    // Clamped first: what is beyond the range of a conversion has no defined result.
    float clamped = fminf(fmaxf(query[d], -256), 256);
    int32_t number = (int32_t)clamped;
    fractions |= ((float)number != query[d]) | (number < -255) | (number > 255);
    whole[d] = (int16_t)number;
  }
  return !fractions;
}
