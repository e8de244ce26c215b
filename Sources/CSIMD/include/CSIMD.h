// CPU kernels, one table per instruction set. This header is the contract; the arithmetic is in
// kernels.h, compiled once for each instruction set in its own file.
//
// Vectors are packed into *panels* of CSIMD_PANEL rows, dimension by dimension:
// panel[d * CSIMD_PANEL + r] is dimension d of row r. A partly filled last panel is zero padded.

#ifndef CSIMD_H
#define CSIMD_H

#include <stddef.h>
#include <stdint.h>

#define CSIMD_PANEL 32
/// The most queries any table works on at once.
#define CSIMD_MAX_QUERY_BLOCK 16

/// The type that numbers are stored as; the values of Tessera's ElementType.
enum csimd_element {
  CSIMD_FLOAT32 = 0,
  CSIMD_FLOAT16 = 1,
  CSIMD_BFLOAT16 = 2,
  CSIMD_INT8 = 3,
  CSIMD_UINT8 = 4
};

/// Rows in memory: `stride` bytes apart, not necessarily aligned.
typedef struct {
  const void *start;
  size_t stride;
  size_t dimension;
  int32_t element;
} csimd_rows;

/// The kind of score; the values of Tessera's Metric.
enum csimd_metric { CSIMD_INNER_PRODUCT = 0, CSIMD_SQUARED_L2 = 1, CSIMD_COSINE = 2 };

/// Appending writes whole registers: lists need this much room past their last row.
#define CSIMD_SLACK 16

/// One query's side of the filter, and the rows that passed. Whoever calls the filter leaves room
/// for every row it may append, and CSIMD_SLACK.
typedef struct {
  int32_t *rows;
  size_t count;
  /// A lower bound of the exact value of any row that may still be a hit; -infinity at first.
  float threshold;
  /// The filter's error for a row of panel p is at most a * e[p] + b * f[p] + g[p] + c.
  float a, b, c;
  /// For uint8 panels: a query number is `step * code + middle`, and the codes add up to
  /// `code_sum`.
  float step, middle;
  int32_t code_sum;
  /// The number that the panels' `reach` is multiplied by.
  float reach;
  /// The query's floats or codes, one after the other, for filters that get no interleaved ones.
  const void *values;
} csimd_query;

/// The packed rows a filter runs over, Float32 or uint8. Where the rows' numbers are
/// `scale * (stored - zero)` (Float32 panels: as stored), its value for a row is
/// `dot * scale[row] + offset[row]`, and for uint8 panels
/// `(dot - zero * code_sum) * step * scale[row] + middle * sum[row] + offset[row]`, and
/// `reach[row]` times the query's `reach` where the panels hold leading dimensions only.
typedef struct {
  const void *values;
  const float *scale;
  const float *offset;
  /// The number that a query's `middle` is multiplied by; only for uint8 panels.
  const float *sum;
  /// The number that a query's `reach` is multiplied by, of each row; NULL but for panels of
  /// leading dimensions.
  const float *reach;
  const float *e, *f, *g;
  /// Bit r of word p is set if row r of panel p may pass; NULL if all may.
  const uint32_t *selected;
  size_t dimension;
  size_t row_count;
  int32_t zero;
} csimd_panels;

/// Describes the error of a row that was packed as uint8.
typedef struct {
  /// The row is about `step * (code - zero)`.
  float step;
  /// The length of the difference, of the approximation, and the sum of the approximation.
  double residual, length, sum;
} csimd_quantized;

/// Describes the error of a rounded query: the length of the difference, the sum of squares of the
/// approximation, and the size that bounds the rounding of sums, `step * |codes| + |middle| *
/// sqrt(dimension)`.
typedef struct {
  double residual, squares, size;
} csimd_rounded_query;

/// Holds what the canonical score of one query against rows needs.
typedef struct {
  const float *query;
  /// The query as 16-bit numbers where those and the rows are whole numbers, else NULL: such sums
  /// are exact in any order.
  const int16_t *whole;
  csimd_rows rows;
  int32_t metric;
  /// Canonical sums of squares of the query and the rows; only the cosine reads them.
  double squares;
  const double *row_squares;
  /// The place of each row's id among all ids, by which rows of equal merit are ordered; NULL if they
  /// are ordered by row.
  const int32_t *ranks;
  /// False if rows come in the order of their ranks.
  int32_t any_order;
  /// True if hits get canonical merits at once. Else they get Float32 estimates: sixteen lanes,
  /// added as a tree.
  int32_t exact;
  /// The largest error of an estimate of the canonical merit: relative to it for squared L2 (but
  /// for underflow), absolute otherwise.
  float tolerance;
} csimd_scorer;

/// The best rows of one query so far. A merit is the canonical score or an
/// estimate of it, negated for squared L2: larger is better.
typedef struct {
  float *merits;
  int32_t *rows;
  size_t count;
  /// The least merit that may still be a hit; -infinity at first.
  float least;
  /// The number of rows that have been scored canonically.
  size_t scored;
} csimd_hits;

/// Codewords of one subspace of the vectors, at most.
#define CSIMD_MOST_CODEWORDS 256
/// Codewords are packed this many side by side.
#define CSIMD_CODEWORDS 8
/// Padded count of codewords.
static inline size_t csimd_padded_codewords(size_t count) {
  return (count + CSIMD_CODEWORDS - 1) / CSIMD_CODEWORDS * CSIMD_CODEWORDS;
}
/// Points that `encode_subspace` takes at once, at most.
#define CSIMD_ENCODE_SCRATCH 32

/// The codewords of one subspace of the vectors, of `width` dimensions, all finite.
typedef struct {
  size_t width, count;
  /// A vector that is subtracted from points and codewords before they are compared in Float32:
  /// near the codewords' mean, or else fewer comparisons are certain.
  const float *middle;
  /// Per CSIMD_CODEWORDS codewords c - middle in Float32, [width + 1][CSIMD_CODEWORDS]: half the
  /// sum of squares, then each coordinate negated. Padding: infinity, then zeros.
  const float *panels;
  /// The largest sum of squares among them.
  float longest;
  /// The codewords in Float64, [width][padded count], the padding at infinity.
  const double *exact;
  /// The same as `panels` in whole numbers, [(width + 1) / 2 + 1][CSIMD_CODEWORDS]: half the sum of
  /// squares times scale^2; then coordinates times scale, negated, two 16-bit numbers in a word.
  /// NULL unless `count` is a multiple of CSIMD_CODEWORDS.
  const int32_t *whole;
  /// Brings the longest codeword to CSIMD_WHOLE_LENGTH.
  float scale;
  /// The greatest length of what rounding to whole numbers removed from a codeword.
  float whole_rest;
} csimd_codebook;

/// Leaves room for points of CSIMD_WHOLE_POINT: a product of both, with half the square of the
/// former, is a 32-bit number.
#define CSIMD_WHOLE_LENGTH 25000
#define CSIMD_WHOLE_POINT 32000
/// Dimensions of a subspace whose rounding, of half a unit each, leaves that so.
#define CSIMD_WHOLE_WIDTH 4096

/// A point that looks for its nearest row: what is rounded of it, and what is known so far.
typedef struct {
  /// Codes made by `quantize_query`, one after the other, zero padded to a multiple of four.
  const int8_t *codes;
  float step, middle;
  int32_t code_sum;
  /// The error of a value for a row of panel p is at most a * e[p] + b * f[p] + g[p] + c; for
  /// squared L2 that of rounding sums alone.
  float a, b, c;
  /// Only squared L2: the length of what rounding to bytes removed, and the sum of squares of what
  /// it left.
  float residual;
  double squares;
  /// One over the point's length, or 0; not for squared L2.
  float inverse;
  /// The row it belongs to, which is left out; -1 for none.
  int32_t own;
  /// A bound that the best known row surely meets: at most this distance for squared L2, at least
  /// this value for the others.
  float reached;
} csimd_point;

/// Places in a list of points, and rows that may be nearer to them than any row known. Has room for
/// every pair it may get, and `rows` for CSIMD_SLACK more.
typedef struct {
  int32_t *points;
  int32_t *rows;
  size_t count;
} csimd_pairs;

/// Float32 rows without gaps on both sides of a pair, with canonical sums of squares for the
/// cosine.
typedef struct {
  const float *points;
  const float *rows;
  const double *point_squares;
  const double *row_squares;
  size_t dimension;
} csimd_pair_rows;

/// Bytes of a block of codes.
#define CSIMD_CODE_BLOCK 64

/// Codes in groups of rows, [group][blocks][CSIMD_CODE_BLOCK].
/// Of 4 bits, 32 rows: byte 4 j + p of block b has subspace 4 b + p of row j in its low half and of
/// row j + 16 in its high half, zeros past `subspaces`. Of 8 bits, 64 rows: byte j of block m has
/// subspace m of row j. A row's place is its number among all rows there is room for.
typedef struct {
  const uint8_t *groups;
  size_t blocks, subspaces;
  int32_t bits;
  /// By place, what a row's sum of entries is multiplied by, not below 0, and what is added then;
  /// NULL does neither.
  const float *scales, *offsets;
  /// By place, the place of the row's id among all ids; NULL if they are in the same order.
  const int32_t *ranks;
} csimd_codes;

/// One query of a scan. A cost is a score, negated if the largest is best: small is good. By the
/// sum of its bytes, a row's cost is at least
///
///     scale * (gain * sum + base) + cost_weight * offset + rest
typedef struct {
  /// Rounded tables: [blocks][4][16] or [subspaces][256], of at most `most_entry` each, no row's
  /// sum above 65535.
  const uint8_t *entries;
  /// Tables in Float32, [subspaces][codewords].
  const float *table;
  /// Multiply rows' offsets, in scores and in costs.
  float weight, cost_weight;
  float gain, base, rest;
  /// The largest sum that passes, of codes without scales and offsets; the largest cost without
  /// `rest`, of others.
  uint32_t most_sum;
  float most_cost;
  /// Marks the rows of every 32 places that may be hits; NULL if all may.
  const uint32_t *selected;
  /// The rows that passed: order of the least cost << 32 | place.
  uint64_t *keys;
  size_t count, capacity;
} csimd_code_query;

/// Steps of formulas. The numbers are those of FormulaOperator.
enum csimd_operation {
  CSIMD_STEP_INPUT = 0,
  CSIMD_STEP_PARAMETER = 1,
  CSIMD_STEP_CONSTANT = 2,
  CSIMD_STEP_RANDOM = 3,
  CSIMD_STEP_NEGATE = 4,
  CSIMD_STEP_MAGNITUDE = 5,
  CSIMD_STEP_FLOOR = 6,
  CSIMD_STEP_EXP = 7,
  CSIMD_STEP_LOG = 8,
  CSIMD_STEP_SIN = 9,
  CSIMD_STEP_COS = 10,
  CSIMD_STEP_TANH = 11,
  CSIMD_STEP_ERF = 12,
  CSIMD_STEP_SIGMOID = 13,
  CSIMD_STEP_SOFTPLUS = 14,
  CSIMD_STEP_SQUARE_ROOT = 15,
  CSIMD_STEP_RECIPROCAL_SQUARE_ROOT = 16,
  CSIMD_STEP_ADD = 17,
  CSIMD_STEP_SUBTRACT = 18,
  CSIMD_STEP_MULTIPLY = 19,
  CSIMD_STEP_DIVIDE = 20,
  CSIMD_STEP_MINIMUM = 21,
  CSIMD_STEP_MAXIMUM = 22,
  CSIMD_STEP_IS_LESS = 23,
  CSIMD_STEP_IS_EQUAL = 24,
  CSIMD_STEP_MULTIPLY_ADD = 25,
  CSIMD_STEP_SELECT = 26,
};

/// How numbers are combined. The numbers are those of Reduction.
enum csimd_reduction { CSIMD_SUM = 0, CSIMD_LARGEST = 1, CSIMD_SMALLEST = 2 };

/// One step of a formula: slots that it reads and the slot that it writes.
typedef struct {
  int32_t operation, a, b, c, target;
} csimd_step;

/// Rows of a sparse matrix: row i has the entries starts[i] ... starts[i + 1]. Without values all
/// entries are 1.
typedef struct {
  const int32_t *starts, *columns;
  const float *values;
} csimd_sparse;


/// Elementary functions, the same bits everywhere; the values of Tessera's ElementaryFunction, and the
/// quotient.
enum csimd_function {
  CSIMD_EXP = 0,
  CSIMD_LOG = 1,
  CSIMD_SIN = 2,
  CSIMD_COS = 3,
  CSIMD_TANH = 4,
  CSIMD_ERF = 5,
  CSIMD_SIGMOID = 6,
  CSIMD_SOFTPLUS = 7,
  CSIMD_SQUARE_ROOT = 8,
  CSIMD_RECIPROCAL_ROOT = 9,
  CSIMD_DIVIDE = 10
};

/// One instruction set's kernels. Every function is pure but for what it is told to write.
typedef struct {
  const char *name;
  /// The most queries `filter` takes at once.
  size_t query_block;
  /// The number of multiply-adds of bytes that take as long as one of floats; 0 without
  /// `filter_quantized`.
  float float_cost;

  /// Widens `count` rows from `first` on, and writes each one's canonical sum of squares, which is
  /// not finite if the row is not. `target`: count * dimension floats, or NULL for aligned Float32
  /// rows, which need no widening.
  void (*widen_rows)(csimd_rows rows, size_t first, size_t count, float *target, double *squares);

  /// The coordinates of `count` widened rows along `width` directions, a multiple of CSIMD_PANEL,
  /// which are packed in Float32 panels. `target`: count * width floats. `scratch`: query_block *
  /// dimension floats.
  void (*project)(const float *directions, size_t dimension, size_t width, const float *rows,
                  size_t count, float *scratch, float *target);

  /// Columns of a tile of `multiply_strips`, whose rows are `query_block`.
  size_t tile_columns;

  /// Cuts `lines` lines of `depth` numbers into strips of `width` lines, each [depth][width], the
  /// last one zero padded. Number d of line i is source[i * line_step + d * depth_step].
  void (*pack_strips)(const float *source, size_t line_step, size_t depth_step, size_t lines,
                      size_t depth, size_t width, float *packed);

  /// result = alpha * left * right + beta * result, for `rows` lines in strips of `query_block` and
  /// `columns` lines in strips of `tile_columns`, packed with the same depth; rows of the result
  /// are `stride` floats apart. Each sum is taken in rising order of depth, from 0, with fused
  /// multiply-adds where there are any. With beta 0 the old result is not read.
  void (*multiply_strips)(const float *left, const float *right, size_t rows, size_t columns,
                          size_t depth, float alpha, float beta, float *result, size_t stride);

  /// As `multiply_strips`, with multiply-adds that are rounded once on every processor.
  void (*multiply_strips_fused)(const float *left, const float *right, size_t rows, size_t columns,
                                size_t depth, float alpha, float beta, float *result,
                                size_t stride);

  /// Runs the steps on `count` numbers; slots a step reads may be the one that it writes. Random
  /// numbers are not made here.
  void (*run_formula)(const csimd_step *steps, size_t step_count, float *const *slots,
                      size_t count);

  /// Combines numbers in runs of 256 as Reduction says: one result for each run.
  void (*combine_runs)(int32_t reduction, const float *x, size_t count, float *results);
  /// Combines the results of runs, which it overwrites.
  float (*combine_pairs)(int32_t reduction, float *results, size_t count);
  /// Combines each of `lines` lines of `length` <= 1024 numbers.
  void (*combine_lines)(int32_t reduction, const float *x, size_t lines, size_t length,
                        float *results);
  /// Combines rows of `width` numbers with 16 lanes of rows: row i with lane (first + i) mod 16.
  void (*combine_rows)(int32_t reduction, const float *rows, size_t first, size_t count,
                       size_t width, float *lanes);
  /// Combines the 16 lanes of rows into the first one.
  void (*combine_wide_lanes)(int32_t reduction, float *lanes, size_t width);

  /// Rows [begin, end) of result = matrix * source, `width` columns, or with `adding` result += it:
  /// in runs of 256 entries, each a chain of multiply-adds from 0.
  void (*multiply_sparse)(const csimd_sparse *matrix, size_t begin, size_t end,
                          const float *source, size_t source_stride, size_t width, int adding,
                          float *result, size_t result_stride);

  /// Packs `count` <= CSIMD_PANEL widened rows into a zero padded Float32 panel.
  void (*pack)(const float *rows, size_t dimension, size_t count, float *panel);

  /// Packs widened rows as uint8 with `zero`: panel[d / 4][row][d % 4], zero padded. `exact`: the
  /// rows are whole numbers that need no scaling. One result a row.
  void (*pack_quantized)(const float *rows, size_t dimension, size_t count, int32_t zero, int exact,
                         uint8_t *panel, csimd_quantized *results);

  /// Rounds a query to `step * code + middle`, its codes at codes[d / 4 * stride + d % 4], zero
  /// padded. `exact`: the rows are whole numbers, so whole queries are left whole where codes can
  /// hold them. Writes the query's step, middle and code sum. The codes are for `filter_quantized`
  /// of the same table: what it can add up without saturating differs.
  csimd_rounded_query (*quantize_query)(const float *row, size_t dimension, int exact,
                                        size_t stride, int8_t *codes, csimd_query *query);

  /// Appends to `queries` (`query_count` <= query_block of them) the rows of panels [begin, end)
  /// whose value plus error reaches the query's threshold, and those whose value is not a number.
  /// `packed` holds the queries interleaved, [dimension][query_count]; NULL takes each query's own
  /// `values`.
  void (*filter)(const csimd_panels *panels, const float *packed, size_t query_count,
                 size_t begin, size_t end, csimd_query *queries);

  /// The same over uint8 panels; `packed` is [dimension / 4 rounded up][query_count][4] codes.
  /// NULL where floats multiply as fast.
  void (*filter_quantized)(const csimd_panels *panels, const int8_t *packed, size_t query_count,
                           size_t begin, size_t end, csimd_query *queries);

  /// For up to `query_block` points, what a uint8 panel of rows holds: `bounds` gets the distance
  /// (for other metrics the negated value times `inverse`) below which none of its rows is, but for
  /// the point's own; `reached` gets better; rows that may be nearer are appended to `pairs`.
  /// NULL without `filter_quantized`.
  void (*assign_panel)(const csimd_panels *panels, size_t panel, int32_t metric,
                       csimd_point *const *points, size_t count, float *bounds,
                       csimd_pairs *pairs);

  /// Writes the groups g whose bound is not above moved[g] + limit, and returns their number.
  /// `groups` has room for `count` and CSIMD_SLACK.
  size_t (*near_groups)(const float *bounds, const float *moved, size_t count, float limit,
                        int32_t *groups);

  /// The canonical merit of each pair: the score, negated for squared L2.
  void (*score_pairs)(const csimd_pair_rows *rows, int32_t metric, const int32_t *points,
                      const int32_t *others, size_t count, float *merits);

  /// Writes a query as 16-bit numbers. Returns whether all of them are whole and within -255...255.
  int (*whole_numbers)(const float *query, size_t dimension, int16_t *whole);

  /// Finds the merits of the listed rows, and appends those that may be hits. The caller leaves
  /// room for all of them.
  void (*score)(const csimd_scorer *scorer, const int32_t *listed, size_t count,
                csimd_hits *hits);

  /// The canonical sums of the listed rows with the query: of squared differences for squared L2,
  /// else of products.
  void (*canonical_sums)(const csimd_scorer *scorer, const int32_t *listed, size_t count,
                         double *sums);

  /// Makes the merits of a list canonical, if they are not, and those to come.
  void (*settle)(csimd_scorer *scorer, csimd_hits *hits);

  /// Asks for rows that will be scored soon.
  void (*prefetch_rows)(csimd_rows rows, const int32_t *listed, size_t count);

  /// Leaves the k best of at least k hits, ties by lower rank, and returns the last's merit. Where
  /// merits are estimates, leaves all that may be among the k best, and returns what the k-th best
  /// surely reaches.
  float (*keep_best)(const csimd_scorer *scorer, csimd_hits *hits, size_t k);

  /// The nearest codeword of one subspace of each of `count` points, `stride` floats apart, at the
  /// canonical squared L2, ties to the lower; one code every `code_stride` bytes.
  /// `scratch`: CSIMD_ENCODE_SCRATCH floats for each of the subspace's dimensions.
  void (*encode_subspace)(const csimd_codebook *book, const float *points, size_t stride,
                      size_t count, uint8_t *codes, size_t code_stride, float *scratch);

  /// scores[r] = sum over m of table[m * codewords + codes[r * subspaces + m]], in rising m.
  void (*lookup_scores)(const float *table, size_t codewords, const uint8_t *codes, size_t subspaces,
                        size_t row_count, float *scores);

  /// Appends the rows of groups [begin, end) of codes of 4 bits that may pass to each query's keys
  /// (`query_count` of them, at most `scan_queries`). There are no rows at `place_end` and beyond.
  /// Stops before a group that a query has no room for, and returns where. NULL where there is no
  /// shuffle of bytes.
  size_t (*scan_codes)(const csimd_codes *codes, size_t begin, size_t end, size_t place_end,
                       csimd_code_query *const *queries, size_t query_count);
  size_t scan_queries;
  uint8_t most_entry;

  /// Brings blocks of codes of 4 bits into the order in which `scan_codes` and `score_codes` read them;
  /// NULL if that is the order of `csimd_codes`.
  void (*arrange_codes)(uint8_t *groups, size_t block_count);

  /// The same of codes of 8 bits, for one query. NULL where no shuffle reaches so many bytes.
  size_t (*scan_byte_codes)(const csimd_codes *codes, size_t begin, size_t end, size_t place_end,
                            csimd_code_query *query);

  /// Scores the rows of keys: the sum of the table's entries in rising subspaces, times the row's
  /// scale, plus its offset times the weight, plus its term (`terms`: one for each key, or NULL).
  /// Keys become order of the score << 32 | rank.
  void (*score_codes)(const csimd_codes *codes, const csimd_code_query *query, size_t codewords,
                      int largest_first, const float *terms, uint64_t *keys, size_t count);

  /// Adds the listed Float32 rows of `width` columns into `sums`, in runs of 256 as the device
  /// contract says. `run`: width doubles of scratch.
  void (*sum_rows)(const float *rows, size_t width, const int32_t *listed, size_t count,
                   double *sums, double *run);

  /// target[i] = function(x[i]), or x[i] / y[i] for CSIMD_DIVIDE, the only one that reads `y`. The
  /// target may be `x` or `y`.
  void (*apply_function)(int32_t function, const float *x, const float *y, size_t count,
                         float *target);
} csimd_kernels;

/// The tables this machine can run, slowest first; the last is the best. `index` past the end
/// gives NULL.
const csimd_kernels *csimd_variant(size_t index);

// Random numbers of formulas, the same for every instruction set (random.c).

/// Numbers in 0 ... 1 of elements [first, first + count), as RandomKey says.
void csimd_random_units(uint64_t seed, uint64_t step, uint64_t first, uint32_t draw, float *target,
                        size_t count);

// Selection, the same for every instruction set (select.c).

/// The place of a score among others as an unsigned number, smaller is better: NaN is last and
/// the zeros are equal.
uint32_t csimd_order_key(float score, int largest_first);

/// Moves the k smallest of `count` keys to the front, the k-th last of them; 1 <= k <= count. Keys
/// are distinct.
void csimd_partition_keys(uint64_t *keys, size_t count, size_t k);

/// Moves the k smallest of `count` keys to the front and sorts them. Keys are distinct.
void csimd_select_keys(uint64_t *keys, size_t count, size_t k);

/// The columns of the k best of `count` scores, best first, ties by lower column.
/// `scratch`: at least csimd_select_scratch(count, k) keys.
void csimd_select_scores(const float *scores, size_t count, size_t k, int largest_first,
                         int32_t *columns, uint64_t *scratch);
size_t csimd_select_scratch(size_t count, size_t k);

#endif
