// A query's best rows: which of those that pass the filter join them. Part of kernels.h.

INLINE float add_float_lanes(float16 lanes) {
  typedef float float8 __attribute__((vector_size(32)));
  typedef float float4 __attribute__((vector_size(16)));
  float8 eight = __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7) +
                 __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15);
  float4 four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

INLINE float16 estimate_step(float16 lanes, float16 q, float16 x, int squared_l2) {
  if (!squared_l2) return MULTIPLY_ADD(q, x, lanes);
  float16 difference = q - x;
  return MULTIPLY_ADD(difference, difference, lanes);
}

// The sums of `n` rows, a constant once inlined, in Float32: sixteen lanes, then a tree of four
// additions.
INLINE void estimate(const float *query, const char *const *sources, const size_t n,
                     int32_t element, size_t dimension, int squared_l2, float *sums) {
  size_t bytes = element_bytes(element);
  float16 lanes[ESTIMATED_ROWS];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < n; i++) lanes[i] = (float16){0};
  size_t d = 0;
  for (; d + 16 <= dimension; d += 16) {
    float16 q = load16((const char *)(query + d), CSIMD_FLOAT32, 16);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < n; i++)
      lanes[i] = estimate_step(lanes[i], q, load16(sources[i] + d * bytes, element, 16),
                               squared_l2);
  }
  if (d < dimension) {
    float16 q = load16((const char *)(query + d), CSIMD_FLOAT32, dimension - d);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < n; i++)
      lanes[i] = estimate_step(
          lanes[i], q, load16(sources[i] + d * bytes, element, dimension - d), squared_l2);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < n; i++) sums[i] = add_float_lanes(lanes[i]);
}

// One rounding to Float32 and no negative zero; what is larger is better.
INLINE float merit(const csimd_scorer *scorer, double sum, int32_t row) {
  switch (scorer->metric) {
  case CSIMD_SQUARED_L2: return -((float)sum + 0.0f);
  case CSIMD_COSINE: {
    double lengths = sqrt(scorer->squares) * sqrt(scorer->row_squares[row]);
    return lengths > 0 ? (float)(sum / lengths) + 0.0f : 0.0f;
  }
  default: return (float)sum + 0.0f;
  }
}

// The merit of a row whose sum is about `sum`.
INLINE float estimated_merit(const csimd_scorer *scorer, float sum, int32_t row) {
  if (scorer->metric == CSIMD_SQUARED_L2) return -sum;
  if (scorer->metric == CSIMD_INNER_PRODUCT) return sum;
  double lengths = sqrt(scorer->squares) * sqrt(scorer->row_squares[row]);
  if (lengths > 0x1p-80) return (float)(sum / lengths);
  // So near no length at all the sum could have underflowed.
  double exact;
  canonical_sums(scorer, &row, 1, &exact);
  return merit(scorer, exact, row);
}

INLINE void join(csimd_hits *hits, float value, int32_t row) {
  hits->merits[hits->count] = value;
  hits->rows[hits->count] = row;
  hits->count += value >= hits->least;
}

INLINE void score_of(const csimd_scorer *scorer, const size_t n, int32_t element, int squared_l2,
                     const int32_t *listed, csimd_hits *hits) {
  const char *sources[ESTIMATED_ROWS];
  float sums[ESTIMATED_ROWS];
#pragma clang loop unroll(full)
  for (size_t j = 0; j < n; j++)
    sources[j] = (const char *)scorer->rows.start + (size_t)listed[j] * scorer->rows.stride;
  estimate(scorer->query, sources, n, element, scorer->rows.dimension, squared_l2, sums);
  for (size_t j = 0; j < n; j++)
    join(hits, estimated_merit(scorer, sums[j], listed[j]), listed[j]);
}

INLINE void score_as(const csimd_scorer *scorer, int32_t element, int squared_l2,
                     const int32_t *listed, size_t count, csimd_hits *hits) {
  size_t i = 0;
#define SCORE_WHILE(n) \
  for (; i + n <= count; i += n) score_of(scorer, n, element, squared_l2, listed + i, hits)
  SCORE_WHILE(ESTIMATED_ROWS);
#if ESTIMATED_ROWS > 4
  SCORE_WHILE(4);
#endif
#if ESTIMATED_ROWS > 2
  SCORE_WHILE(2);
#endif
#if ESTIMATED_ROWS > 1
  SCORE_WHILE(1);
#endif
}

#define SCORE_AS(element) \
  scorer->metric == CSIMD_SQUARED_L2 ? score_as(scorer, element, 1, listed, count, hits) \
                                     : score_as(scorer, element, 0, listed, count, hits)

static void estimate_hits(const csimd_scorer *scorer, const int32_t *listed, size_t count,
                          csimd_hits *hits) {
  switch (scorer->rows.element) {
  case CSIMD_FLOAT32: return SCORE_AS(CSIMD_FLOAT32);
  case CSIMD_FLOAT16: return SCORE_AS(CSIMD_FLOAT16);
  case CSIMD_BFLOAT16: return SCORE_AS(CSIMD_BFLOAT16);
  case CSIMD_INT8: return SCORE_AS(CSIMD_INT8);
  default: return SCORE_AS(CSIMD_UINT8);
  }
}

static void score(const csimd_scorer *scorer, const int32_t *listed, size_t count,
                  csimd_hits *hits) {
  if (!scorer->exact) return estimate_hits(scorer, listed, count, hits);
  double sums[64];
  for (size_t first = 0; first < count; first += 64) {
    size_t batch = count - first < 64 ? count - first : 64;
    canonical_sums(scorer, listed + first, batch, sums);
    for (size_t i = 0; i < batch; i++)
      join(hits, merit(scorer, sums[i], listed[first + i]), listed[first + i]);
  }
  hits->scored += count;
}

static void settle(csimd_scorer *scorer, csimd_hits *hits) {
  if (scorer->exact) return;
  double sums[64];
  for (size_t first = 0; first < hits->count; first += 64) {
    size_t batch = hits->count - first < 64 ? hits->count - first : 64;
    canonical_sums(scorer, hits->rows + first, batch, sums);
    for (size_t i = 0; i < batch; i++)
      hits->merits[first + i] = merit(scorer, sums[i], hits->rows[first + i]);
  }
  hits->scored += hits->count;
  scorer->exact = 1;
}

static void prefetch_rows(csimd_rows rows, const int32_t *listed, size_t count) {
  size_t bytes = rows.dimension * element_bytes(rows.element);
  for (size_t i = 0; i < count; i++)
    prefetch((const char *)rows.start + (size_t)listed[i] * rows.stride, bytes);
}

// Floats as integers of the same order.
INLINE ints float_order(floats values) {
  ints bits = (ints)values;
  return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

INLINE int32_t float_order_of(float value) {
  int32_t bits;
  memcpy(&bits, &value, 4);
  return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

INLINE size_t count_from(const float *values, size_t count, int32_t least) {
  ints reached = {0};
  size_t i = 0;
  for (; i + WIDTH <= count; i += WIDTH)
    reached -= float_order(*(const floats_anywhere *)(values + i)) >= least;
  size_t total = (size_t)__builtin_reduce_add(reached);
  for (; i < count; i++) total += float_order_of(values[i]) >= least;
  return total;
}

// Returns the least value that the exact merit can have where the estimate is `value`; the other
// way round, an exact `value` is estimated at no less.
INLINE float surely(const csimd_scorer *scorer, float value) {
  if (scorer->exact) return value;
  // Squares of tiny differences may have underflowed: no relative error holds there.
  float slack = scorer->metric == CSIMD_SQUARED_L2 ? -value * scorer->tolerance + 0x1p-100f
                                                   : scorer->tolerance;
  return nextafterf(value - slack, -INFINITY);
}

INLINE int32_t rank_of(const csimd_scorer *scorer, int32_t row) {
  return scorer->ranks ? scorer->ranks[row] : row;
}

// The rank that `count` of the hits with this merit do not exceed.
static int32_t last_rank(const csimd_scorer *scorer, const csimd_hits *hits, float value,
                         size_t count) {
  int64_t least = 0, beyond = INT32_MAX;
  while (least < beyond) {
    int64_t middle = least + (beyond - least) / 2;
    size_t reached = 0;
    for (size_t i = 0; i < hits->count; i++)
      reached += hits->merits[i] == value && rank_of(scorer, hits->rows[i]) <= middle;
    if (reached >= count) beyond = middle;
    else least = middle + 1;
  }
  return (int32_t)least;
}

static float keep_best(const csimd_scorer *scorer, csimd_hits *hits, size_t k) {
  // Bisection for the largest `cut` that k merits reach: branch-free counts beat a selection.
  int32_t cut = INT32_MAX, most = INT32_MIN;
  for (size_t i = 0; i < hits->count; i++) {
    int32_t order = float_order_of(hits->merits[i]);
    if (order < cut) cut = order;
    if (order > most) most = order;
  }
  int64_t beyond = (int64_t)most + 1;
  size_t reached = hits->count, above = 0;  // of `cut`, and of `beyond`
  while (reached > k && beyond - cut > 1) {
    int32_t middle = (int32_t)(cut + (beyond - cut) / 2);
    size_t count = count_from(hits->merits, hits->count, middle);
    if (count >= k) {
      cut = middle;
      reached = count;
    } else {
      beyond = middle;
      above = count;
    }
  }
  float worst = INFINITY;
  for (size_t i = 0; i < hits->count; i++)
    if (float_order_of(hits->merits[i]) >= cut) worst = fminf(worst, hits->merits[i]);
  // Exact merits: those above the last stay, and the first of those equal to it by rank. Where rows
  // come in that order, a later one has to be better, not as good. Estimates: all stay that may be
  // among the k best.
  size_t ties = reached > k ? k - above : reached;
  int sorted = !scorer->any_order || reached <= k;
  int32_t last = scorer->exact && !sorted ? last_rank(scorer, hits, worst, ties) : INT32_MAX;
  float surely_reached = surely(scorer, worst);
  float least = surely(scorer, surely_reached);
  size_t kept = 0;
  for (size_t i = 0; i < hits->count; i++) {
    float value = hits->merits[i];
    int tied = scorer->exact && value == worst;
    int stays = value >= least &&
                (!tied || (sorted ? ties > 0 : rank_of(scorer, hits->rows[i]) <= last));
    ties -= tied && stays;
    hits->merits[kept] = value;
    hits->rows[kept] = hits->rows[i];
    kept += (size_t)stays;
  }
  hits->count = kept;
  if (scorer->exact) least = scorer->any_order ? worst : nextafterf(worst, INFINITY);
  hits->least = least;
  return surely_reached;
}
