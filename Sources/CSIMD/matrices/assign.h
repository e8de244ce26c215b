// Points that look for their nearest row again and again while the rows move: what one panel of rows
// holds for some of them. Part of kernels.h.

#ifdef DOT4
// A relative slack for the arithmetic below, which is in Float64.
#define ROUGHLY 0x1p-30

// Float32 that is surely not above, or not below: half an ulp is less than what is taken away.
INLINE float rounded_down(double value) {
  if (value > (double)FLT_MAX) return FLT_MAX;
  return (float)(value - (fabs(value) * 0x1p-23 + 0x1p-149));
}
INLINE float rounded_up(double value) { return -rounded_down(-value); }

// In halves: a float reduction is compiled to compare one lane after the other.
INLINE float largest_lane(floats lanes) {
#if WIDTH == 16
  typedef float float8 __attribute__((vector_size(32)));
  float8 eight = __builtin_elementwise_max(
      __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7),
      __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15));
#elif WIDTH == 8
  floats eight = lanes;
#endif
  typedef float float4 __attribute__((vector_size(16)));
#if WIDTH >= 8
  float4 four = __builtin_elementwise_max(__builtin_shufflevector(eight, eight, 0, 1, 2, 3),
                                          __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
#else
  float4 four = lanes;
#endif
  return fmaxf(fmaxf(four[0], four[2]), fmaxf(four[1], four[3]));
}

// The distance, or for other metrics the negated value over the point's length, that no row of a
// panel goes below, where the best of them has the value `most`.
INLINE float panel_bound(const csimd_panels *panels, size_t p, const csimd_point *point,
                         double most, double error, int squared_l2) {
  if (!squared_l2) return rounded_down(-(most + error) * (double)point->inverse);
  double square = point->squares - 2 * (most + error);
  if (!(square > 0)) return 0;
  double bound = sqrt(square) * (1 - ROUGHLY) - (double)point->residual - (double)panels->e[p];
  return bound > 0 ? fmaxf(0, rounded_down(bound)) : 0;
}

// Makes use of a row whose value is `most`: what it surely reaches.
INLINE void reach_value(const csimd_panels *panels, size_t p, csimd_point *point, double most,
                        double error, int squared_l2) {
  if (!squared_l2) {
    double reached = most - error;
    if (reached > (double)point->reached) point->reached = rounded_down(reached);
    return;
  }
  double rounding = (double)point->residual + (double)panels->e[p];
  double nearer = (double)point->reached - rounding;
  double square = fmax(0, point->squares - 2 * (most - error));
  if (!(nearer > 0 && square < nearer * nearer)) return;
  double reached = sqrt(square) * (1 + ROUGHLY) + rounding;
  if (reached < (double)point->reached) point->reached = rounded_up(reached);
}

// The value below which rows are surely not the nearest.
INLINE float value_cut(const csimd_panels *panels, size_t p, const csimd_point *point,
                       double error, int squared_l2) {
  if (!squared_l2) return rounded_down((double)point->reached - error);
  double radius = (double)point->reached + (double)point->residual + (double)panels->e[p];
  return rounded_down((point->squares - radius * radius * (1 + ROUGHLY)) / 2 - error);
}

// Appends the rows of a panel whose value is not below `cut`, but for the point's own.
INLINE void append_pairs(const floats *values, size_t first, size_t row_count, int32_t own,
                         float cut, int32_t place, csimd_pairs *pairs) {
  for (size_t r = 0; r < CSIMD_PANEL / WIDTH; r++) {
    ints rows = (int32_t)(first + r * WIDTH) + lane_numbers();
    ints kept = ~(values[r] < cut) & (rows < (int32_t)row_count) & (rows != own);
    store_kept(pairs->rows + pairs->count, rows, kept);
    for (size_t count = count_kept(kept); count > 0; count--) pairs->points[pairs->count++] = place;
  }
}

INLINE void assign_block(const csimd_panels *panels, size_t p, int squared_l2,
                         csimd_point *const *points, const size_t count, float *bounds,
                         csimd_pairs *pairs) {
  size_t quads = (panels->dimension + 3) / 4;
  const uint8_t *start = (const uint8_t *)panels->values + p * quads * CSIMD_PANEL * 4;
  const int8_t *codes[QUERY_BLOCK];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < count; i++) codes[i] = points[i]->codes;
  floats values[QUERY_BLOCK][CSIMD_PANEL / WIDTH];
  for (size_t r = 0; r < CSIMD_PANEL / WIDTH; r += COLUMNS) {
    ints sums[QUERY_BLOCK][COLUMNS];
    multiply_codes(start + r * WIDTH * 4, codes, 4, count, quads, sums);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < count; i++)
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++)
        values[i][r + j] =
            quantized_values(panels, sums[i][j], points[i]->step, points[i]->middle,
                             points[i]->code_sum, p * CSIMD_PANEL + (r + j) * WIDTH);
  }

  size_t first = p * CSIMD_PANEL;
  for (size_t i = 0; i < count; i++) {
    csimd_point *point = points[i];
    double error = (double)point->a * (double)panels->e[p] +
                   (double)point->b * (double)panels->f[p] + (double)panels->g[p] +
                   (double)point->c;
    if (!(error < (double)INFINITY)) {
      bounds[i] = squared_l2 ? 0 : -INFINITY;
      append_pairs(values[i], first, panels->row_count, point->own, -INFINITY, (int32_t)i, pairs);
      continue;
    }
    floats highest = -INFINITY - (floats){0};
#pragma clang loop unroll(full)
    for (size_t r = 0; r < CSIMD_PANEL / WIDTH; r++) {
      ints rows = (int32_t)(first + r * WIDTH) + lane_numbers();
      // Its own row is known already.
      ints others = (rows < (int32_t)panels->row_count) & (rows != point->own);
      ints kept = others & (values[i][r] > highest);
      highest = (floats)((kept & (ints)values[i][r]) | (~kept & (ints)highest));
    }
    float most = largest_lane(highest);
    bounds[i] = panel_bound(panels, p, point, (double)most, error, squared_l2);
    reach_value(panels, p, point, (double)most, error, squared_l2);
    float cut = value_cut(panels, p, point, error, squared_l2);
    if (most < cut) continue;
    append_pairs(values[i], first, panels->row_count, point->own, cut, (int32_t)i, pairs);
  }
}

static void assign_panel(const csimd_panels *panels, size_t panel, int32_t metric,
                         csimd_point *const *points, size_t count, float *bounds,
                         csimd_pairs *pairs) {
#define ASSIGN_L2(n) assign_block(panels, panel, 1, points, n, bounds, pairs)
#define ASSIGN_OTHERS(n) assign_block(panels, panel, 0, points, n, bounds, pairs)
  if (metric == CSIMD_SQUARED_L2) {
    FOR_COUNT(count, ASSIGN_L2)
  } else {
    FOR_COUNT(count, ASSIGN_OTHERS)
  }
}
#endif

// The groups of rows whose bound does not exceed `limit` plus what they have moved since.
static size_t near_groups(const float *bounds, const float *moved, size_t count, float limit,
                          int32_t *groups) {
  size_t near = 0, g = 0;
  for (; g + WIDTH <= count; g += WIDTH) {
    ints fails = ~(load_floats(bounds + g) > load_floats(moved + g) + limit);
    if (!__builtin_reduce_or(fails)) continue;
    store_kept(groups + near, (int32_t)g + lane_numbers(), fails);
    near += count_kept(fails);
  }
  for (; g < count; g++) {
    groups[near] = (int32_t)g;
    near += !(bounds[g] > moved[g] + limit);
  }
  return near;
}

// The canonical merits of point and row, pair after pair; both are Float32.
static void score_pairs(const csimd_pair_rows *rows, int32_t metric, const int32_t *points,
                        const int32_t *others, size_t count, float *merits) {
  size_t dimension = rows->dimension;
  csimd_scorer scorer = {.metric = metric, .row_squares = rows->row_squares};
  for (size_t i = 0; i < count; i++) {
    const float *point = rows->points + (size_t)points[i] * dimension;
    const char *row = (const char *)(rows->rows + (size_t)others[i] * dimension);
    if (i + 2 < count)
      prefetch((const char *)(rows->points + (size_t)points[i + 2] * dimension), dimension * 4);
    double sum = metric == CSIMD_SQUARED_L2
                     ? canonical_sum(point, row, CSIMD_FLOAT32, dimension, 1)
                     : canonical_sum(point, row, CSIMD_FLOAT32, dimension, 0);
    scorer.squares = rows->point_squares[points[i]];
    merits[i] = merit(&scorer, sum, others[i]);
  }
}
