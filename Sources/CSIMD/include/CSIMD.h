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

/// How numbers are stored; the values of Tessera's ElementType.
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

/// A row that passed the filter, with its filter value.
typedef struct {
  float value;
  int32_t row;
} csimd_candidate;

/// The candidates of one query. Whoever calls the filter leaves room for every row it may append.
typedef struct {
  csimd_candidate *items;
  size_t count;
  /// A lower bound of the k-th best exact filter value; -infinity at first.
  float threshold;
  /// The filter's error for a row of panel p is at most a * e[p] + b * f[p] + c.
  float a, b, c;
  /// The count from which the caller means to tighten the list. The kernels ignore it.
  size_t limit;
} csimd_list;

/// The packed rows a filter runs over. Its value for a row is `dot * scale[row] + offset[row]`.
typedef struct {
  const float *panels;
  const float *scale;
  const float *offset;
  const float *e;
  const float *f;
  size_t dimension;
  size_t row_count;
} csimd_panels;

/// One instruction set's kernels. Every function is pure but for what it is told to write.
typedef struct {
  const char *name;
  /// The most queries `filter` takes at once.
  size_t query_block;

  /// Widens one row to Float32, exactly.
  void (*widen)(csimd_rows rows, size_t row, float *target);

  /// Packs `count` <= CSIMD_PANEL rows from `first` into a zero padded panel, and writes each
  /// row's canonical sum of squares (not finite if the row is not). `scratch`: dimension floats.
  void (*pack_panel)(csimd_rows rows, size_t first, size_t count, float *panel, double *squares,
                     float *scratch);

  /// Appends to the list of each of `query_count` <= query_block queries the rows of panels
  /// [begin, end) whose filter value plus error reaches the list's threshold, and those whose
  /// value is not a number. `queries` is interleaved: [dimension][query_count].
  void (*filter)(const csimd_panels *panels, const float *queries, size_t query_count,
                 size_t begin, size_t end, csimd_list *lists);

  /// The canonical Float64 sums of `query` (dimension floats) against the listed rows: squared
  /// differences if `squared_l2`, products otherwise.
  void (*canonical_sums)(const float *query, csimd_rows rows, const int32_t *listed, size_t count,
                         int squared_l2, double *sums);

  /// The nearest codeword of one subvector at the canonical squared L2, ties to the lower.
  /// `codewords` is Float64, transposed: [width][padded count], the padding at infinity.
  uint8_t (*nearest_codeword)(const float *subvector, const double *codewords, size_t width,
                              size_t padded_count);

  /// scores[r] = sum over m of table[m * codewords + codes[r * parts + m]], in rising m.
  void (*lookup_scores)(const float *table, size_t codewords, const uint8_t *codes, size_t parts,
                        size_t row_count, float *scores);

  /// Adds the listed Float32 rows of `width` columns into `sums`, in runs of 256 as the device
  /// contract says. `run`: width doubles of scratch.
  void (*sum_rows)(const float *rows, size_t width, const int32_t *listed, size_t count,
                   double *sums, double *run);
} csimd_kernels;

/// Padded count of codewords for `nearest_codeword`.
static inline size_t csimd_padded_codewords(size_t count) { return (count + 7) / 8 * 8; }

/// The tables this machine can run, slowest first; the last is the best. `index` past the end
/// gives NULL.
const csimd_kernels *csimd_variant(size_t index);

// Selection, the same for every instruction set (select.c).

/// The place of a score among others as an unsigned number, smaller is better: NaN is last and
/// the zeros are equal.
uint32_t csimd_order_key(float score, int largest_first);

/// Raises `list->threshold` to the k-th largest lower bound of its candidates, if there are k, and
/// drops the candidates that cannot reach it. `scratch`: list->count floats.
void csimd_tighten(csimd_list *list, size_t k, const csimd_panels *panels, float *scratch);

/// Moves the k smallest of `count` keys to the front and sorts them. Keys are distinct.
void csimd_select_keys(uint64_t *keys, size_t count, size_t k);

/// The columns of the k best of `count` scores, best first, ties by lower column.
/// `scratch`: at least csimd_select_scratch(count, k) keys.
void csimd_select_scores(const float *scores, size_t count, size_t k, int largest_first,
                         int32_t *columns, uint64_t *scratch);
size_t csimd_select_scratch(size_t count, size_t k);

#endif
