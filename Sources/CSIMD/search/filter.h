// The filters: estimates of every row, and the rows that pass. Part of kernels.h.

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

INLINE ints lane_numbers(void) {
  ints numbers;
  for (int32_t j = 0; j < WIDTH; j++) numbers[j] = j;
  return numbers;
}

// Appends the rows of COLUMNS registers, from `row` on, whose value is not below the cut. A value
// that is not a number bounds nothing, so its row is kept.
static __attribute__((noinline)) void append(const csimd_panels *panels, csimd_query *query,
                                             const floats *values, float cut, size_t row) {
  for (size_t j = 0; j < COLUMNS; j++) {
    ints rows = (int32_t)(row + j * WIDTH) + lane_numbers();
    ints kept = ~(values[j] < cut) & (rows < (int32_t)panels->row_count);
    if (panels->selected) {
      uint32_t bits = panels->selected[row / CSIMD_PANEL] >> ((row + j * WIDTH) % CSIMD_PANEL);
      kept &= (((int32_t)bits >> lane_numbers()) & 1) != 0;
    }
    store_kept(query->rows + query->count, rows, kept);
    query->count += count_kept(kept);
  }
}

// The value below which each query may drop rows of panel p.
INLINE void find_cuts(const csimd_panels *panels, size_t p, const csimd_query *queries,
                      const size_t query_count, float *cuts) {
  for (size_t i = 0; i < query_count; i++) {
    float error = queries[i].a * panels->e[p] + queries[i].b * panels->f[p] + panels->g[p] +
                  queries[i].c;
    cuts[i] = queries[i].threshold - error;
  }
}

INLINE void keep(const csimd_panels *panels, const floats *values, float cut, size_t row,
                 csimd_query *query) {
  ints kept = {0};
#pragma clang loop unroll(full)
  for (size_t j = 0; j < COLUMNS; j++) kept |= ~(ints)(values[j] < cut);
  if (__builtin_expect(__builtin_reduce_or(kept) != 0, 0))
    append(panels, query, values, cut, row);
}

INLINE floats load_floats(const float *source) { return *(const floats_anywhere *)source; }

// The products of `query_count` queries, a constant once inlined, with COLUMNS registers of rows of
// a Float32 panel, whose dimensions are `stride` floats apart. Dimension d of query i is at
// sources[i] + d * step.
INLINE void multiply_step(const float *values, const size_t stride, const float *const *sources,
                          const size_t step, const size_t query_count, size_t dimension,
                          floats sums[QUERY_BLOCK][COLUMNS]) {
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++)
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = (floats){0};

#pragma clang loop unroll(disable)
  for (size_t d = 0; d < dimension; d++) {
    floats rows[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++)
      rows[j] = load_floats(values + d * stride + j * WIDTH);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < query_count; i++) {
      floats query = sources[i][d * step] - (floats){0};  // x - 0 folds to a broadcast
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = MULTIPLY_ADD(query, rows[j], sums[i][j]);
    }
  }
}

// The same with interleaved queries: dimension d of query i is at packed[d * query_count + i].
INLINE void multiply_interleaved(const float *values, const size_t stride, const float *packed,
                                 const size_t query_count, size_t dimension,
                                 floats sums[QUERY_BLOCK][COLUMNS]) {
  const float *sources[QUERY_BLOCK];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++) sources[i] = packed + i;
  multiply_step(values, stride, sources, query_count, query_count, dimension, sums);
}

// COLUMNS registers of rows against the queries of a block, which are `step` floats apart.
INLINE void filter_step(const csimd_panels *panels, const void *const *sources, const size_t step,
                        const size_t query_count, size_t row, const float *cuts,
                        csimd_query *queries) {
  const float *values = (const float *)panels->values +
                        row / CSIMD_PANEL * panels->dimension * CSIMD_PANEL + row % CSIMD_PANEL;
  floats sums[QUERY_BLOCK][COLUMNS];
  multiply_step(values, CSIMD_PANEL, (const float *const *)sources, step, query_count,
                panels->dimension, sums);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++) {
    floats results[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++)
      results[j] = MULTIPLY_ADD(sums[i][j], load_floats(panels->scale + row + j * WIDTH),
                                load_floats(panels->offset + row + j * WIDTH));
    keep(panels, results, cuts[i], row, &queries[i]);
  }
}

#ifdef DOT4
// Four codes of a query in every lane.
INLINE ints load_codes(const int8_t *packed) {
  int32_t codes;
  memcpy(&codes, packed, 4);
  return codes - (ints){0};
}

// The same over bytes. DOT4(sums, rows, query) adds to each 32-bit lane the four products of its
// unsigned bytes of `rows`, less DOT4_ZERO, and the signed bytes of `query`; DOT8 does so for two
// registers of rows at once. Neither saturates, given the codes that `quantize_query` makes.
// DOT4_ROWS is done to rows first.
#ifndef DOT4_ZERO
#define DOT4_ZERO 0
#define DOT4_ROWS(rows) (rows)
#endif

// The products of `query_count` queries, a constant once inlined, with COLUMNS registers of rows of
// a uint8 panel. The four codes of query i for quad d are at codes[i] + d * stride.
INLINE void multiply_codes(const uint8_t *values, const int8_t *const *codes, const size_t stride,
                           const size_t query_count, size_t quads,
                           ints sums[QUERY_BLOCK][COLUMNS]) {
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++)
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = (ints){0};

  size_t d = 0;
#ifdef DOT8
#pragma clang loop unroll(disable)
  for (; d + 2 <= quads; d += 2) {
    ints rows[2][COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < 2 * COLUMNS; j++)
      memcpy(&rows[j / COLUMNS][j % COLUMNS],
             values + ((d + j / COLUMNS) * CSIMD_PANEL + j % COLUMNS * WIDTH) * 4, sizeof(ints));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < query_count; i++) {
      ints query = load_codes(codes[i] + d * stride);
      ints next = load_codes(codes[i] + (d + 1) * stride);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++)
        sums[i][j] = DOT8(sums[i][j], rows[0][j], query, rows[1][j], next);
    }
  }
#endif
#pragma clang loop unroll(disable)
  for (; d < quads; d++) {
    ints rows[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) {
      memcpy(&rows[j], values + (d * CSIMD_PANEL + j * WIDTH) * 4, sizeof rows[j]);
      rows[j] = DOT4_ROWS(rows[j]);
    }
#pragma clang loop unroll(full)
    for (size_t i = 0; i < query_count; i++) {
      ints query = load_codes(codes[i] + d * stride);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++) sums[i][j] = DOT4(sums[i][j], rows[j], query);
    }
  }
}

// The values of one query, rounded to `step * code + middle`, for WIDTH rows from `row` on.
INLINE floats quantized_values(const csimd_panels *panels, ints sums, float step, float middle,
                               int32_t code_sum, size_t row) {
  int32_t excess = (panels->zero - DOT4_ZERO) * code_sum;
  floats dot = __builtin_convertvector(sums - excess, floats);
  floats rest = MULTIPLY_ADD(middle - (floats){0}, load_floats(panels->sum + row),
                             load_floats(panels->offset + row));
  return MULTIPLY_ADD(dot * step, load_floats(panels->scale + row), rest);
}

INLINE void quantized_step(const csimd_panels *panels, const void *const *sources,
                           const size_t step, const size_t query_count, size_t row,
                           const float *cuts, csimd_query *queries) {
  size_t quads = (panels->dimension + 3) / 4;
  const uint8_t *values = (const uint8_t *)panels->values +
                          (row / CSIMD_PANEL * quads * CSIMD_PANEL + row % CSIMD_PANEL) * 4;
  ints sums[QUERY_BLOCK][COLUMNS];
  multiply_codes(values, (const int8_t *const *)sources, step * 4, query_count, quads, sums);

#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++) {
    const csimd_query *query = &queries[i];
    floats results[COLUMNS];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < COLUMNS; j++) {
      size_t first = row + j * WIDTH;
      results[j] = quantized_values(panels, sums[i][j], query->step, query->middle,
                                    query->code_sum, first);
      if (panels->reach)
        results[j] = MULTIPLY_ADD(query->reach - (floats){0}, load_floats(panels->reach + first),
                                  results[j]);
    }
    keep(panels, results, cuts[i], row, &queries[i]);
  }
}
#else
#define quantized_step filter_step
#endif

// Panels [begin, end) against a block of queries, over bytes or floats. Word d of query i is at
// sources[i] + 4 * d * step.
INLINE void filter_words(const csimd_panels *panels, const void *const *sources, const size_t step,
                         const size_t query_count, size_t begin, size_t end, csimd_query *queries,
                         const int bytes) {
  for (size_t p = begin; p < end; p++) {
    if (panels->selected && panels->selected[p] == 0) continue;
    float cuts[QUERY_BLOCK];
    find_cuts(panels, p, queries, query_count, cuts);
    for (size_t r = 0; r < CSIMD_PANEL; r += COLUMNS * WIDTH) {
      size_t row = p * CSIMD_PANEL + r;
      if (bytes) quantized_step(panels, sources, step, query_count, row, cuts, queries);
      else filter_step(panels, sources, step, query_count, row, cuts, queries);
    }
  }
}

// The same with interleaved queries, or with each query's own values.
INLINE void filter_block(const csimd_panels *panels, const void *packed, const size_t query_count,
                         size_t begin, size_t end, csimd_query *queries, const int bytes) {
  const void *sources[QUERY_BLOCK];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < query_count; i++)
    sources[i] = packed ? (const char *)packed + 4 * i : queries[i].values;
  if (packed) filter_words(panels, sources, query_count, query_count, begin, end, queries, bytes);
  else filter_words(panels, sources, 1, query_count, begin, end, queries, bytes);
}

// The query count becomes a constant, so that loops over it unroll into registers: CALL(n) for
// the n that is `count`.
#define CASE(n, CALL) \
  case n: \
    if (n <= QUERY_BLOCK) CALL((n <= QUERY_BLOCK ? n : 1)); \
    break;
#define FOR_COUNT(count, CALL) \
  switch (count) { \
    CASE(1, CALL) CASE(2, CALL) CASE(3, CALL) CASE(4, CALL) CASE(5, CALL) CASE(6, CALL) \
    CASE(7, CALL) CASE(8, CALL) CASE(9, CALL) CASE(10, CALL) CASE(11, CALL) CASE(12, CALL) \
    CASE(13, CALL) CASE(14, CALL) \
  }

static void filter(const csimd_panels *panels, const float *packed, size_t query_count,
                   size_t begin, size_t end, csimd_query *queries) {
#define FILTER_FLOATS(n) filter_block(panels, packed, n, begin, end, queries, 0)
  FOR_COUNT(query_count, FILTER_FLOATS)
}

#ifdef DOT4
static void filter_quantized(const csimd_panels *panels, const int8_t *packed, size_t query_count,
                             size_t begin, size_t end, csimd_query *queries) {
#define FILTER_BYTES(n) filter_block(panels, packed, n, begin, end, queries, 1)
  FOR_COUNT(query_count, FILTER_BYTES)
}
#endif

// One panel of directions against a block of interleaved rows.
INLINE void project_panel(const float *panel, const float *packed, const size_t count,
                          size_t dimension, float *target, size_t width) {
  for (size_t r = 0; r < CSIMD_PANEL; r += COLUMNS * WIDTH) {
    floats sums[QUERY_BLOCK][COLUMNS];
    multiply_interleaved(panel + r, CSIMD_PANEL, packed, count, dimension, sums);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < count; i++)
#pragma clang loop unroll(full)
      for (size_t j = 0; j < COLUMNS; j++)
        memcpy(target + i * width + r + j * WIDTH, &sums[i][j], sizeof sums[i][j]);
  }
}

static void project(const float *directions, size_t dimension, size_t width, const float *rows,
                    size_t count, float *scratch, float *target) {
  for (size_t first = 0; first < count; first += QUERY_BLOCK) {
    size_t block = count - first < QUERY_BLOCK ? count - first : QUERY_BLOCK;
    for (size_t i = 0; i < block; i++)
      for (size_t d = 0; d < dimension; d++)
        scratch[d * block + i] = rows[(first + i) * dimension + d];
    for (size_t p = 0; p < width; p += CSIMD_PANEL) {
      const float *panel = directions + p * dimension;
      float *out = target + first * width + p;
#define PROJECT_PANEL(n) project_panel(panel, scratch, n, dimension, out, width)
      FOR_COUNT(block, PROJECT_PANEL)
    }
  }
}
