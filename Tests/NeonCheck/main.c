// Compares every function of the ARM tables with the portable one, bit for bit, on random shapes.
// A program of its own, because it runs under an emulator: see scripts/check-neon.sh. The filter on
// bytes, which the portable table lacks, is compared with plain loops.
// Usage: check-neon TABLE...: the tables that this processor should have besides the portable one.

#include "CSIMD.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;
static int failures;

static uint32_t random_below(uint32_t bound) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(((state >> 32) * bound) >> 32);
}
static float random_float(void) {
  return ((float)random_below(1 << 24) / (1 << 23) - 1) * ldexpf(1, (int)random_below(4));
}
// Zeroed, and with room to read and write past the end.
static void *room(size_t bytes) { return calloc(1, bytes + 4096); }

static void expect(int same, const char *table, const char *what, size_t dimension, size_t count) {
  if (same) return;
  failures++;
  printf("%s: %s differs, dimension %zu, count %zu\n", table, what, dimension, count);
}
#define EXPECT_SAME(what, a, b, bytes) \
  expect(memcmp(a, b, bytes) == 0, tested->name, what, dimension, count)

enum { MOST_QUERIES = CSIMD_MAX_QUERY_BLOCK, PANELS = 3 };
static const csimd_kernels *plain;

static csimd_rows random_rows(size_t count, size_t dimension, int32_t element) {
  size_t size = element == CSIMD_FLOAT32 ? 4 : element <= CSIMD_BFLOAT16 ? 2 : 1;
  size_t stride = dimension * size + random_below(2) * size;
  char *start = room(count * stride);
  for (size_t i = 0; i < count * stride / size; i++) {
    float value = random_float();
    uint16_t half = (uint16_t)random_below(0x7C00) | (uint16_t)(random_below(2) << 15);
    uint8_t byte = (uint8_t)random_below(256);
    memcpy(start + i * size, size == 4 ? (void *)&value : size == 2 ? (void *)&half : &byte, size);
    if (element == CSIMD_BFLOAT16) memcpy(start + i * 2, (char *)&value + 2, 2);
  }
  return (csimd_rows){start, stride, dimension, element};
}

static void check_packing(const csimd_kernels *tested, size_t dimension, size_t count) {
  for (int32_t element = CSIMD_FLOAT32; element <= CSIMD_UINT8; element++) {
    csimd_rows rows = random_rows(count, dimension, element);
    float *wide[2] = {room(count * dimension * 4), room(count * dimension * 4)};
    double squares[2][CSIMD_PANEL] = {0};
    plain->widen_rows(rows, 0, count, wide[0], squares[0]);
    tested->widen_rows(rows, 0, count, wide[1], squares[1]);
    EXPECT_SAME("widen_rows", wide[0], wide[1], count * dimension * 4);
    EXPECT_SAME("widen_rows", squares[0], squares[1], sizeof squares[0]);

    size_t padded = (dimension + 3) / 4 * 4 * CSIMD_PANEL;
    float *panels[2] = {room(padded * 4), room(padded * 4)};
    plain->pack(wide[0], dimension, count, panels[0]);
    tested->pack(wide[0], dimension, count, panels[1]);
    EXPECT_SAME("pack", panels[0], panels[1], padded * 4);

    int exact = element >= CSIMD_INT8;
    int32_t zero = element == CSIMD_UINT8 ? 0 : 128;
    csimd_quantized results[2][CSIMD_PANEL];
    memset(results, 0, sizeof results);
    memset(panels[0], 0, padded);
    memset(panels[1], 0, padded);
    plain->pack_quantized(wide[0], dimension, count, zero, exact, (uint8_t *)panels[0], results[0]);
    tested->pack_quantized(wide[0], dimension, count, zero, exact, (uint8_t *)panels[1],
                           results[1]);
    EXPECT_SAME("pack_quantized", panels[0], panels[1], padded);
    EXPECT_SAME("pack_quantized", results[0], results[1], sizeof results[0]);

    int8_t *codes[2] = {room(dimension * 4), room(dimension * 4)};
    csimd_query queries[2];
    memset(queries, 0, sizeof queries);
    csimd_rounded_query rounded[2];
    for (int i = 0; i < 2; i++)
      rounded[i] = (i ? tested : plain)
                       ->quantize_query(wide[0], dimension, exact, 12, codes[i], &queries[i]);
    EXPECT_SAME("quantize_query", codes[0], codes[1], dimension * 4);
    EXPECT_SAME("quantize_query", &queries[0], &queries[1], sizeof queries[0]);
    EXPECT_SAME("quantize_query", &rounded[0], &rounded[1], sizeof rounded[0]);

    int16_t *whole[2] = {room(dimension * 2), room(dimension * 2)};
    int is_whole[2] = {plain->whole_numbers(wide[0], dimension, whole[0]),
                       tested->whole_numbers(wide[0], dimension, whole[1])};
    expect(is_whole[0] == is_whole[1], tested->name, "whole_numbers", dimension, count);
    EXPECT_SAME("whole_numbers", whole[0], whole[1], dimension * 2);
    tested->prefetch_rows(rows, (int32_t[]){0}, 1);
    for (int i = 0; i < 2; i++) free(wide[i]), free(panels[i]), free(codes[i]), free(whole[i]);
    free((void *)rows.start);
  }
}

// Random panels; their numbers are short enough for every sum to be exact, however it is formed.
static csimd_panels random_panels(size_t dimension, int32_t zero, int bytes) {
  size_t rows = PANELS * CSIMD_PANEL, size = rows * ((dimension + 3) / 4 * 4);
  float *values = room(size * 4), *each[4];
  for (size_t i = 0; i < size; i++)
    if (bytes) ((uint8_t *)values)[i] = (uint8_t)random_below(256);
    else values[i] = (float)random_below(512) - 256;
  for (int i = 0; i < 4; i++) {
    each[i] = room(rows * 4);
    for (size_t r = 0; r < rows; r++) each[i][r] = (float)(1 + random_below(4));
  }
  const float *reach = bytes && random_below(2) ? each[3] : NULL;
  // Every row, none of a panel and about half of another.
  uint32_t *masks = room(PANELS * sizeof(uint32_t));
  masks[0] = UINT32_MAX;
  masks[2] = random_below(UINT32_MAX);
  return (csimd_panels){.values = values,
                        .scale = each[0],
                        .offset = each[1],
                        .sum = each[2],
                        .reach = reach,
                        .e = each[1],
                        .f = each[2],
                        .g = each[3],
                        .selected = random_below(2) ? masks : NULL,
                        .dimension = dimension,
                        .row_count = rows - random_below(40),
                        .zero = zero};
}

static csimd_query random_query(size_t dimension) {
  csimd_query query;
  memset(&query, 0, sizeof query);
  query.rows = room((PANELS * CSIMD_PANEL + CSIMD_SLACK) * 4);
  query.threshold = (float)((int32_t)random_below(4000) - 2000) * sqrtf((float)dimension);
  if (random_below(5) == 0) query.threshold = -INFINITY;
  query.a = query.b = query.c = 1;
  query.step = 0.5f;
  query.middle = (float)random_below(8) - 4;
  query.reach = 2;
  return query;
}

// The filter on bytes as its contract says.
static void filter_plainly(const csimd_panels *panels, const int8_t *packed, size_t query_count,
                           csimd_query *queries) {
  size_t quads = (panels->dimension + 3) / 4;
  const uint8_t *values = panels->values;
  for (size_t i = 0; i < query_count; i++)
    for (size_t row = 0; row < panels->row_count; row++) {
      size_t p = row / CSIMD_PANEL, r = row % CSIMD_PANEL;
      if (panels->selected && !(panels->selected[p] >> r & 1)) continue;
      int32_t dot = -panels->zero * queries[i].code_sum;
      for (size_t d = 0; d < quads * 4; d++)
        dot += values[((p * quads + d / 4) * CSIMD_PANEL + r) * 4 + d % 4] *
               packed[(d / 4 * query_count + i) * 4 + d % 4];
      float rest = fmaf(queries[i].middle, panels->sum[row], panels->offset[row]);
      float value = fmaf((float)dot * queries[i].step, panels->scale[row], rest);
      if (panels->reach) value = fmaf(queries[i].reach, panels->reach[row], value);
      float error = queries[i].a * panels->e[p] + queries[i].b * panels->f[p] + panels->g[p] +
                    queries[i].c;
      if (!(value < queries[i].threshold - error))
        queries[i].rows[queries[i].count++] = (int32_t)row;
    }
}

static void check_filter(const csimd_kernels *tested, size_t dimension, size_t count, int bytes) {
  csimd_panels panels = random_panels(dimension, random_below(2) ? 128 : 0, bytes);
  float *packed = room((dimension + 4) * count * 4);
  int8_t *codes = (int8_t *)packed;
  csimd_query queries[2][MOST_QUERIES];
  for (size_t i = 0; i < count; i++) {
    queries[0][i] = queries[1][i] = random_query(dimension);
    queries[1][i].rows = room((PANELS * CSIMD_PANEL + CSIMD_SLACK) * 4);
    int extreme = random_below(8) == 0;
    for (size_t d = 0; d < dimension; d++)
      if (bytes) {
        int8_t code = extreme ? -128 : (int8_t)((int)random_below(256) - 128);
        codes[(d / 4 * count + i) * 4 + d % 4] = code;
        queries[0][i].code_sum = queries[1][i].code_sum += code;
      } else
        packed[d * count + i] = (float)random_below(16) - 8;
  }
  if (bytes) filter_plainly(&panels, codes, count, queries[0]);
  else plain->filter(&panels, packed, count, 0, PANELS, queries[0]);
  (bytes ? tested->filter_quantized(&panels, codes, count, 0, PANELS, queries[1])
         : tested->filter(&panels, packed, count, 0, PANELS, queries[1]));
  for (size_t i = 0; i < count; i++) {
    const char *what = bytes ? "filter_quantized" : "filter";
    expect(queries[0][i].count == queries[1][i].count, tested->name, what, dimension, count);
    EXPECT_SAME(what, queries[0][i].rows, queries[1][i].rows, queries[0][i].count * 4);
    free(queries[0][i].rows), free(queries[1][i].rows);
  }
  free(packed), free((void *)panels.values), free((void *)panels.scale);
  free((void *)panels.offset), free((void *)panels.sum), free((void *)panels.g);
}

static csimd_point random_point(const int8_t *codes, size_t dimension, int squared_l2) {
  csimd_point point;
  memset(&point, 0, sizeof point);
  point.codes = codes;
  for (size_t d = 0; d < dimension; d++) point.code_sum += codes[d];
  point.step = 0.5f;
  point.middle = (float)random_below(8) - 4;
  point.a = squared_l2 ? 0 : 1;
  point.b = point.c = 1;
  point.residual = 2;
  point.squares = 4e4 * (double)(1 + random_below(10) * dimension);
  point.inverse = 0.5f;
  point.own = (int32_t)random_below(PANELS * CSIMD_PANEL + 1) - 1;
  point.reached = squared_l2 ? INFINITY : -INFINITY;
  if (random_below(2)) point.reached = random_float() * (float)(1 + 200 * dimension);
  if (squared_l2) point.reached = fabsf(point.reached);
  return point;
}

// The values of a point for the rows of a panel; -INFINITY for its own and where there is no row.
static void value_plainly(const csimd_panels *panels, size_t p, const csimd_point *point,
                          double *values) {
  size_t quads = (panels->dimension + 3) / 4;
  const uint8_t *bytes = (const uint8_t *)panels->values + p * quads * CSIMD_PANEL * 4;
  for (size_t r = 0; r < CSIMD_PANEL; r++) {
    size_t row = p * CSIMD_PANEL + r;
    int32_t dot = -panels->zero * point->code_sum;
    for (size_t d = 0; d < panels->dimension; d++)
      dot += bytes[(d / 4 * CSIMD_PANEL + r) * 4 + d % 4] * point->codes[d];
    float rest = fmaf(point->middle, panels->sum[row], panels->offset[row]);
    values[r] = (double)fmaf((float)dot * point->step, panels->scale[row], rest);
    if (row >= panels->row_count || (int32_t)row == point->own) values[r] = -(double)INFINITY;
  }
}

// Compares what a panel says about points with its contract in Float64. Rows within rounding of the
// cut may be listed or not.
static void check_assign(const csimd_kernels *tested, size_t dimension, size_t count,
                         int32_t metric) {
  int squared_l2 = metric == CSIMD_SQUARED_L2;
  csimd_panels panels = random_panels(dimension, random_below(2) ? 128 : 0, 1);
  panels.reach = NULL;
  size_t bytes = (dimension + 3) / 4 * 4;
  int8_t *codes = room(count * bytes);
  csimd_point points[MOST_QUERIES], *block[MOST_QUERIES];
  for (size_t i = 0; i < count; i++) {
    for (size_t d = 0; d < dimension; d++)
      codes[i * bytes + d] = (int8_t)((int)random_below(256) - 128);
    points[i] = random_point(codes + i * bytes, dimension, squared_l2);
    block[i] = &points[i];
  }
  size_t most_pairs = count * CSIMD_PANEL;
  csimd_pairs pairs = {room(most_pairs * 4), room((most_pairs + CSIMD_SLACK) * 4), 0};
  for (size_t p = 0; p < PANELS; p++) {
    csimd_point before[MOST_QUERIES];
    memcpy(before, points, sizeof before);
    float bounds[MOST_QUERIES];
    pairs.count = 0;
    tested->assign_panel(&panels, p, metric, block, count, bounds, &pairs);
    size_t pair = 0;
    for (size_t i = 0; i < count; i++) {
      double values[CSIMD_PANEL], most = -(double)INFINITY;
      value_plainly(&panels, p, &before[i], values);
      for (size_t r = 0; r < CSIMD_PANEL; r++) most = fmax(most, values[r]);
      double error = (double)(points[i].a * panels.e[p] + points[i].b * panels.f[p]) +
                     (double)(panels.g[p] + points[i].c);
      double rounding = (double)(points[i].residual + panels.e[p]), bound, reached, cut;
      double squares = points[i].squares, least = (double)before[i].reached;
      if (squared_l2) {
        bound = fmax(0, sqrt(fmax(0, squares - 2 * (most + error))) - rounding);
        reached = fmin(least, sqrt(fmax(0, squares - 2 * (most - error))) + rounding);
        cut = (squares - (reached + rounding) * (reached + rounding)) / 2 - error;
      } else {
        bound = -(most + error) * (double)points[i].inverse;
        reached = fmax(least, most - error);
        cut = reached - error;
      }
      double unit = 1e-5 * (1 + squares + (isfinite(most) ? fabs(most) : 0) +
                            (isfinite(reached) ? reached * reached : 0));
      double near = squared_l2 ? sqrt(unit) : unit;
      expect(isfinite(most) ? (double)bounds[i] <= bound && (double)bounds[i] >= bound - near
                            : bounds[i] > 1e30f,
             tested->name, "bound of assign_panel", dimension, count);
      double got = (double)points[i].reached;
      expect(got == reached || (squared_l2 ? got >= reached && got <= reached + near
                                           : got <= reached && got >= reached - near),
             tested->name, "reached of assign_panel", dimension, count);
      for (size_t r = 0; r < CSIMD_PANEL; r++) {
        int listed = pair < pairs.count && pairs.points[pair] == (int32_t)i &&
                     pairs.rows[pair] == (int32_t)(p * CSIMD_PANEL + r);
        int wanted = values[r] > cut + unit;
        int allowed = isfinite(values[r]) && !(values[r] < cut - unit);
        expect(listed ? allowed : !wanted, tested->name, "assign_panel", dimension, count);
        pair += (size_t)listed;
      }
    }
    expect(pair == pairs.count, tested->name, "pairs of assign_panel", dimension, count);
  }
  free(codes), free(pairs.points), free(pairs.rows);
  free((void *)panels.values), free((void *)panels.scale), free((void *)panels.offset);
  free((void *)panels.sum), free((void *)panels.g), free((void *)panels.selected);
}

static void check_groups(const csimd_kernels *tested, size_t dimension, size_t count) {
  float *bounds = room(count * 4), *moved = room(count * 4);
  int32_t *groups[2] = {room((count + CSIMD_SLACK) * 4), room((count + CSIMD_SLACK) * 4)};
  for (size_t i = 0; i < count; i++) bounds[i] = random_float(), moved[i] = random_float() / 8;
  bounds[0] = -INFINITY;
  size_t near[2];
  for (int i = 0; i < 2; i++)
    near[i] = (i ? tested : plain)->near_groups(bounds, moved, count, 0.5f, groups[i]);
  expect(near[0] == near[1], tested->name, "near_groups", dimension, count);
  EXPECT_SAME("near_groups", groups[0], groups[1], near[0] * 4);

  csimd_rows points = random_rows(count, dimension, CSIMD_FLOAT32);
  csimd_rows others = random_rows(count, dimension, CSIMD_FLOAT32);
  float *values[2] = {room(count * dimension * 4), room(count * dimension * 4)};
  double *squares[2] = {room(count * 8), room(count * 8)};
  plain->widen_rows(points, 0, count, values[0], squares[0]);
  plain->widen_rows(others, 0, count, values[1], squares[1]);
  csimd_pair_rows rows = {values[0], values[1], squares[0], squares[1], dimension};
  int32_t *from = groups[0], *to = groups[1];
  for (size_t i = 0; i < count; i++)
    from[i] = (int32_t)random_below((uint32_t)count), to[i] = (int32_t)random_below((uint32_t)count);
  for (int32_t metric = 0; metric <= CSIMD_COSINE; metric++) {
    plain->score_pairs(&rows, metric, from, to, count, bounds);
    tested->score_pairs(&rows, metric, from, to, count, moved);
    EXPECT_SAME("score_pairs", bounds, moved, count * 4);
  }
  free(bounds), free(moved), free((void *)points.start), free((void *)others.start);
  for (int i = 0; i < 2; i++) free(groups[i]), free(values[i]), free(squares[i]);
}

static void check_scores(const csimd_kernels *tested, size_t dimension, size_t count) {
  for (int32_t element = CSIMD_FLOAT32; element <= CSIMD_UINT8; element++) {
    csimd_rows rows = random_rows(count, dimension, element);
    float *query = room(dimension * 4);
    int16_t *whole = room(dimension * 2);
    int32_t *listed = room(count * 4), *ranks = room(count * 4);
    double *squares = room(count * 8), own;
    for (size_t i = 0; i < count; i++) listed[i] = (int32_t)i, ranks[i] = (int32_t)(count - 1 - i);
    plain->widen_rows(rows, 0, 1, query, &own);
    plain->widen_rows(rows, 0, count, room(count * dimension * 4), squares);
    int is_whole = plain->whole_numbers(query, dimension, whole);
    for (int32_t metric = 0; metric <= CSIMD_COSINE; metric++)
      for (int32_t way = 0; way < 4; way++) {
        int32_t exact = way % 2, ranked = way / 2;
        csimd_scorer scorers[2];
        csimd_hits hits[2];
        for (int i = 0; i < 2; i++) {
          const csimd_kernels *table = i ? tested : plain;
          scorers[i] = (csimd_scorer){.query = query,
                                      .whole = is_whole && exact ? whole : NULL,
                                      .rows = rows,
                                      .metric = metric,
                                      .squares = own,
                                      .row_squares = squares,
                                      .ranks = ranked ? ranks : NULL,
                                      .any_order = ranked,
                                      .exact = exact,
                                      .tolerance = 1e-5f};
          hits[i] = (csimd_hits){room(count * 4), room(count * 4), 0, -INFINITY};
          table->score(&scorers[i], listed, count, &hits[i]);
          if (count > 3) table->keep_best(&scorers[i], &hits[i], 3);
          if (exact == 0) table->settle(&scorers[i], &hits[i]);
          if (count > 3) table->keep_best(&scorers[i], &hits[i], 2);
        }
        expect(hits[0].count == hits[1].count, tested->name, "score", dimension, count);
        EXPECT_SAME("score", hits[0].merits, hits[1].merits, hits[0].count * 4);
        EXPECT_SAME("score", hits[0].rows, hits[1].rows, hits[0].count * 4);
        for (int i = 0; i < 2; i++) free(hits[i].merits), free(hits[i].rows);
      }
    free(query), free(whole), free(listed), free(ranks), free(squares), free((void *)rows.start);
  }
}

// `count` points of one subspace against `count` codewords.
static void check_encode(const csimd_kernels *tested, const float *points, size_t dimension,
                         size_t count) {
  size_t padded = csimd_padded_codewords(count);
  float *middle = room(dimension * 4), *panels = room((dimension + 1) * padded * 4), longest = 0;
  double *exact = room(dimension * padded * 8);
  for (size_t d = 0; d < dimension; d++) middle[d] = random_float();
  for (size_t c = 0; c < padded; c++) {
    float *column = panels + c / CSIMD_CODEWORDS * CSIMD_CODEWORDS * (dimension + 1) +
                    c % CSIMD_CODEWORDS;
    float squares = 0;
    for (size_t d = 0; d < dimension; d++) {
      float coordinate = random_float();
      exact[d * padded + c] = c < count ? (double)coordinate : (double)INFINITY;
      float value = c < count ? coordinate - middle[d] : 0;
      squares += value * value;
      column[(d + 1) * CSIMD_CODEWORDS] = -value;
    }
    column[0] = c < count ? squares / 2 : INFINITY;
    if (squares > longest) longest = squares;
  }
  csimd_codebook book = {.width = dimension, .count = count, .middle = middle, .panels = panels,
                         .longest = longest, .exact = exact};
  uint8_t *codes[2] = {room(count), room(count)};
  float *scratch = room(dimension * CSIMD_ENCODE_SCRATCH * 4);
  plain->encode_subspace(&book, points, dimension, count, codes[0], 1, scratch);
  tested->encode_subspace(&book, points, dimension, count, codes[1], 1, scratch);
  EXPECT_SAME("encode_subspace", codes[0], codes[1], count);
  free(middle), free(panels), free(exact), free(codes[0]), free(codes[1]), free(scratch);
}

// Returns the number that a row holds for a subspace, in codes of groups.
static uint32_t number_of(const csimd_codes *codes, size_t row, size_t m) {
  size_t stride = codes->blocks * CSIMD_CODE_BLOCK;
  if (codes->bits == 8) return codes->groups[row / 64 * stride + m * CSIMD_CODE_BLOCK + row % 64];
  uint8_t pair =
      codes->groups[row / 32 * stride + m / 4 * CSIMD_CODE_BLOCK + row % 16 * 4 + m % 4];
  return row % 32 < 16 ? pair & 15 : pair >> 4;
}

// A scan of codes compared with plain loops, and the scores of all rows with the portable ones.
// `factors`: whether rows have scales and offsets.
static void check_scan(const csimd_kernels *tested, size_t dimension, size_t count, int32_t bits,
                       int factors) {
  enum { GROUPS = 5, MOST_QUERIES = 4 };
  size_t height = bits == 4 ? 32 : 64, words = (size_t)1 << bits;
  size_t places = GROUPS * height, end = (GROUPS - 1) * height + count;
  csimd_codes codes = {.blocks = bits == 4 ? (dimension + 3) / 4 : dimension,
                       .subspaces = dimension, .bits = bits};
  size_t bytes = GROUPS * codes.blocks * CSIMD_CODE_BLOCK;
  size_t table_bytes = bits == 4 ? codes.blocks * CSIMD_CODE_BLOCK : dimension * words;
  uint8_t *groups = room(bytes), *arranged = room(bytes), *tables = room(MOST_QUERIES * table_bytes);
  float *scales = room(places * 4), *offsets = room(places * 4);
  for (size_t i = 0; i < places; i++) {
    // Whole numbers, so that costs are exact in any order.
    scales[i] = (float)random_below(4);
    offsets[i] = (float)random_below(100);
  }
  for (size_t i = 0; i < bytes; i++) groups[i] = (uint8_t)random_below(256);
  for (size_t i = 0; i < MOST_QUERIES * table_bytes; i++)
    tables[i] = i % table_bytes < dimension * words
                    ? (uint8_t)random_below(tested->most_entry + 1u) : 0;
  if (factors) codes.scales = scales, codes.offsets = offsets;
  codes.groups = groups;
  csimd_codes tested_codes = codes;
  memcpy(arranged, groups, bytes);
  if (bits == 4 && tested->arrange_codes)
    tested->arrange_codes(arranged, GROUPS * codes.blocks);
  tested_codes.groups = arranged;

  uint32_t *selected = room(places / 32 * 4);
  for (size_t i = 0; i < places / 32; i++) selected[i] = random_below(0xFFFFFFFFu);
  csimd_code_query scans[MOST_QUERIES], *pointers[MOST_QUERIES];
  uint32_t limit = (uint32_t)(dimension * tested->most_entry / 2);
  for (size_t q = 0; q < MOST_QUERIES; q++) {
    scans[q] = (csimd_code_query){.entries = tables + q * table_bytes, .weight = 1,
                                  .cost_weight = 1, .gain = 1, .base = 2, .rest = 3,
                                  .most_sum = limit, .most_cost = (float)limit,
                                  .selected = q % 2 ? selected : NULL,
                                  .keys = room(places * 8), .capacity = places};
    pointers[q] = &scans[q];
  }
  size_t queries = bits == 4 ? 1 + random_below((uint32_t)tested->scan_queries) : 1;
  size_t done = bits == 4 ? tested->scan_codes(&tested_codes, 0, GROUPS, end, pointers, queries)
                          : tested->scan_byte_codes(&tested_codes, 0, GROUPS, end, pointers[0]);
  expect(done == GROUPS, tested->name, "end of a scan", dimension, count);
  for (size_t q = 0; q < queries; q++) {
    uint64_t *expected = room(places * 8);
    size_t passing = 0;
    for (size_t row = 0; row < end; row++) {
      if (scans[q].selected && !(selected[row / 32] >> row % 32 & 1)) continue;
      uint32_t sum = 0;
      for (size_t m = 0; m < dimension; m++)
        sum += tables[q * table_bytes + m * words + number_of(&codes, row, m)];
      float cost = (float)sum + 2;
      if (factors) cost = cost * scales[row] + offsets[row];
      if (factors ? cost <= (float)limit : sum <= limit)
        expected[passing++] = (uint64_t)csimd_order_key(cost + 3, 0) << 32 | row;
    }
    expect(scans[q].count == passing, tested->name, "count of a scan", dimension, count);
    csimd_select_keys(scans[q].keys, scans[q].count, scans[q].count);
    csimd_select_keys(expected, passing, passing);
    EXPECT_SAME("scan", scans[q].keys, expected, passing * 8);
  }

  float *table = room(dimension * words * 4), *terms = room(end * 4);
  uint64_t *keys[2] = {room(end * 8), room(end * 8)};
  for (size_t i = 0; i < dimension * words; i++) table[i] = random_float();
  for (size_t i = 0; i < end; i++) keys[0][i] = keys[1][i] = i, terms[i] = random_float();
  csimd_code_query query = {.table = table, .weight = 0.3f};
  plain->score_codes(&codes, &query, words, count % 2, factors ? terms : NULL, keys[0], end);
  tested->score_codes(&tested_codes, &query, words, count % 2, factors ? terms : NULL, keys[1],
                      end);
  EXPECT_SAME("score_codes", keys[0], keys[1], end * 8);
}

static void check_codes(const csimd_kernels *tested, size_t dimension, size_t count) {
  csimd_rows rows = random_rows(count, dimension, CSIMD_FLOAT32);
  float *values = room(count * dimension * 4);
  double *squares = room(count * 8);
  plain->widen_rows(rows, 0, count, values, squares);

  check_encode(tested, values, dimension, count);

  uint8_t *codes = room(count * dimension);
  float *table = room(dimension * 16 * 4), *scores[2] = {room(count * 4), room(count * 4)};
  for (size_t i = 0; i < count * dimension; i++) codes[i] = (uint8_t)random_below(16);
  for (size_t i = 0; i < dimension * 16; i++) table[i] = random_float();
  plain->lookup_scores(table, 16, codes, dimension, count, scores[0]);
  tested->lookup_scores(table, 16, codes, dimension, count, scores[1]);
  EXPECT_SAME("lookup_scores", scores[0], scores[1], count * 4);

  int32_t listed[700];
  for (int i = 0; i < 700; i++) listed[i] = (int32_t)random_below((uint32_t)count);
  double *sums[2] = {room(dimension * 8), room(dimension * 8)}, *run = room(dimension * 8);
  plain->sum_rows(values, dimension, listed, 700, sums[0], run);
  tested->sum_rows(values, dimension, listed, 700, sums[1], run);
  EXPECT_SAME("sum_rows", sums[0], sums[1], dimension * 8);

  // Whole directions and rows: every sum is exact.
  float *directions = room(64 * dimension * 4), *scratch = room(MOST_QUERIES * dimension * 4);
  float *targets[2] = {room(count * 64 * 4), room(count * 64 * 4)};
  for (size_t i = 0; i < 64 * dimension; i++) directions[i] = (float)random_below(64) - 32;
  for (size_t i = 0; i < count * dimension; i++) values[i] = (float)random_below(64) - 32;
  plain->project(directions, dimension, 64, values, count, scratch, targets[0]);
  tested->project(directions, dimension, 64, values, count, scratch, targets[1]);
  EXPECT_SAME("project", targets[0], targets[1], count * 64 * 4);

  free(values), free(squares), free(codes), free(table), free(run);
  free(directions), free(scratch), free((void *)rows.start);
  for (int i = 0; i < 2; i++) free(scores[i]), free(sums[i]), free(targets[i]);
}

// Every elementary function of any bits, with ends of every length.
static void check_functions(const csimd_kernels *tested) {
  enum { COUNT = 1 << 12 };
  float *x = room(COUNT * 4), *y = room(COUNT * 4), *results[2] = {room(COUNT * 4), room(COUNT * 4)};
  for (size_t i = 0; i < COUNT; i++) {
    uint32_t bits[2] = {random_below(0xFFFFFFFFu), random_below(0xFFFFFFFFu)};
    memcpy(x + i, bits, 4), memcpy(y + i, bits + 1, 4);
    if (i % 2) x[i] = 30 * random_float();
  }
  for (int32_t function = CSIMD_EXP; function <= CSIMD_DIVIDE; function++)
    for (size_t count = COUNT - 9; count <= COUNT; count++) {
      plain->apply_function(function, x, y, count, results[0]);
      tested->apply_function(function, x, y, count, results[1]);
      expect(memcmp(results[0], results[1], count * 4) == 0, tested->name, "apply_function",
             (size_t)function, count);
    }
  free(x), free(y), free(results[0]), free(results[1]);
}

int main(int argumentCount, char **arguments) {
  plain = csimd_variant(0);
  for (int i = 1; i < argumentCount; i++) {
    const csimd_kernels *tested = csimd_variant((size_t)i);
    if (!tested || strcmp(tested->name, arguments[i]) != 0) {
      printf("table %d is %s, not %s\n", i, tested ? tested->name : "missing", arguments[i]);
      return 1;
    }
    for (size_t dimension = 0; dimension < 80; dimension += dimension < 36 ? 1 : 11) {
      for (size_t count = 1; count <= CSIMD_PANEL; count += 1 + random_below(9)) {
        // Rounding a query reads its first number; there are none without dimensions.
        if (dimension > 0) check_packing(tested, dimension, count);
        check_scores(tested, dimension, count);
        check_codes(tested, dimension, count);
        check_scan(tested, dimension, count, 4, 0), check_scan(tested, dimension, count, 4, 1);
        check_scan(tested, dimension, count, 8, 0), check_scan(tested, dimension, count, 8, 1);
        check_groups(tested, dimension, count);
      }
      for (size_t count = 1; count <= tested->query_block; count++) {
        check_filter(tested, dimension, count, 0);
        if (!tested->filter_quantized) continue;
        check_filter(tested, dimension, count, 1);
        for (int32_t metric = 0; metric <= CSIMD_COSINE; metric++)
          check_assign(tested, dimension, count, metric);
      }
    }
    check_functions(tested);
    printf("%s: %d failures, bytes %s\n", tested->name, failures,
           tested->filter_quantized ? "too" : "not");
  }
  if (csimd_variant((size_t)argumentCount)) {
    printf("there is a table more: %s\n", csimd_variant((size_t)argumentCount)->name);
    return 1;
  }
  return failures > 0;
}
