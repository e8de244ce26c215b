// Codebooks and clusters. Part of kernels.h.

// The nearest codeword at the canonical squared L2, ties to the lower.
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

// Codewords per step of `encode_part`, beside two registers of points: what the register file holds.
#define STEP_CODEWORDS (WIDTH >= 16 ? 8 : 4)
#define STEP_POINTS (2 * WIDTH)
// The lowest bits of a key are the codeword's number.
#define KEY_NUMBER (CSIMD_MOST_CODEWORDS - 1)

// Half the squared distances of STEP_POINTS points to `n` codewords. `halves` are half the points'
// own squares; `panel` holds n of CSIMD_CODEWORDS columns: half the squares, then the negated
// coordinates.
INLINE void encode_step(const float *panel, const float *points, const floats halves[2],
                        size_t width, const size_t n, floats (*sums)[2]) {
#pragma clang loop unroll(full)
  for (size_t j = 0; j < n; j++)
    for (int v = 0; v < 2; v++) sums[j][v] = halves[v] + panel[j];
  for (size_t d = 0; d < width; d++) {
    const float *coordinates = panel + (d + 1) * CSIMD_CODEWORDS;
    floats x[2];
    memcpy(x, points + d * STEP_POINTS, sizeof x);
#pragma clang loop unroll(full)
    for (size_t j = 0; j < n; j++) {
      floats codeword = coordinates[j] - (floats){0};  // x - 0 folds to a broadcast
      sums[j][0] = MULTIPLY_ADD(codeword, x[0], sums[j][0]);
      sums[j][1] = MULTIPLY_ADD(codeword, x[1], sums[j][1]);
    }
  }
}

// Keeps the two smallest keys. A key is a number whose lowest bits have given way to the codeword's.
INLINE void keep_two(ints values, ints number, ints *best, ints *second) {
  ints key = (values & ~KEY_NUMBER) | number;
  ints farther = __builtin_elementwise_max(*best, key);
  *second = __builtin_elementwise_min(*second, farther);
  *best = __builtin_elementwise_min(*best, key);
}

// The two smallest keys of all codewords: distances from 0 up are in order as integers too. Several
// distances below 0, which rounding makes, come first in any order.
INLINE void encode_points(const csimd_codebook *book, const float *points, const floats halves[2],
                          ints best[2], ints second[2]) {
  for (int v = 0; v < 2; v++) best[v] = second[v] = (ints){0} + INT32_MAX;
  size_t padded = csimd_padded_codewords(book->count);
  ints number = {0};
  for (size_t c = 0; c < padded; c += STEP_CODEWORDS) {
    floats sums[STEP_CODEWORDS][2];
    encode_step(book->panels + c / CSIMD_CODEWORDS * CSIMD_CODEWORDS * (book->width + 1) +
                    c % CSIMD_CODEWORDS,
                points, halves, book->width, STEP_CODEWORDS, sums);
#pragma clang loop unroll(full)
    for (size_t j = 0; j < STEP_CODEWORDS; j++) {
#pragma clang loop unroll(full)
      for (int v = 0; v < 2; v++) keep_two((ints)sums[j][v], number, &best[v], &second[v]);
      number += 1;
    }
  }
}

// Whether the codeword of the smallest key is surely the canonical one.
//
// Distances are computed in Float32 after `middle` is taken from points and codewords. With
// u = 2^-24, X and C the lengths of a point and of the longest codeword then, and w the width, half
// a squared distance is off
// - by at most u (X + C)^2, as taking `middle` away rounds each difference once;
// - by at most u (w + 3) (X + C)^2 / 2, as w + 1 terms are added to half the point's squares, which
//   are the same for all codewords, and half a codeword's squares are rounded once;
// and half the canonical score by u (X + C)^2 / 2, as that is rounded to Float32 at the end. Two
// codewords whose values differ by more than u (w + 6) (X + C)^2 <= 2 u (w + 6) (X^2 + C^2)
// therefore have canonical scores in the same order, if the lesser is no infinity. A quarter more
// covers the rounding of the bound itself (for w < 2^20), another term all underflow, and the last
// what the lesser value lost to the codeword's number. NaN and infinity are never more.
INLINE ints surely_nearest(const csimd_codebook *book, ints best, ints second, floats squares) {
  float share = 1.25f * 0x1p-23f * (float)(book->width + 6);
  floats least = (floats)(best & ~KEY_NUMBER), next = (floats)(second & ~KEY_NUMBER);
  floats bound = (squares + book->longest) * share + (float)(book->width + 8) * 0x1p-120f;
  return (next - least > bound + least * 0x1.01p-15f) & (least < 0x1p126f);
}

#include "encode_whole.h"

static void encode_part(const csimd_codebook *book, const float *points, size_t stride,
                        size_t count, uint8_t *codes, size_t code_stride, float *scratch) {
  size_t width = book->width;
  int32_t numbers[CSIMD_MOST_CODEWORDS];
  for (int32_t c = 0; c < CSIMD_MOST_CODEWORDS; c++) numbers[c] = c;
  for (size_t first = 0; first < count; first += STEP_POINTS) {
    const float *rows = points + first * stride;
    size_t n = count - first < STEP_POINTS ? count - first : STEP_POINTS;
    if (n < STEP_POINTS) memset(scratch, 0, width * STEP_POINTS * sizeof(float));
    for (size_t p = 0; p < n; p++)
#pragma clang loop vectorize(disable)  // scattered stores are slower than single ones
      for (size_t d = 0; d < width; d++)
        scratch[d * STEP_POINTS + p] = rows[p * stride + d] - book->middle[d];

    floats squares[2] = {0};
    for (size_t d = 0; d < width; d++) {
      floats x[2];
      memcpy(x, scratch + d * STEP_POINTS, sizeof x);
      squares[0] += x[0] * x[0];
      squares[1] += x[1] * x[1];
    }
    ints best[2], certain[2];
    if (!encode_whole(book, scratch, squares, numbers, best, certain)) {
      floats halves[2] = {squares[0] * 0.5f, squares[1] * 0.5f};
      ints second[2];
      encode_points(book, scratch, halves, best, second);
      for (int v = 0; v < 2; v++)
        certain[v] = surely_nearest(book, best[v], second[v], squares[v]);
    }

    int32_t found[STEP_POINTS], sure[STEP_POINTS];
    memcpy(found, best, sizeof found);
    memcpy(sure, certain, sizeof sure);
    for (size_t p = 0; p < n; p++)
      codes[(first + p) * code_stride] =
          sure[p] ? (uint8_t)(found[p] & KEY_NUMBER)
                  : nearest_codeword(rows + p * stride, book->exact, width,
                                     csimd_padded_codewords(book->count));
  }
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

// Adds n rows, a constant once inlined, to `run`: each number to its sum, one row after the other.
INLINE void add_rows(const float *rows, size_t width, const int32_t *listed, const size_t n,
                     double *run) {
  const float *row[4];
#pragma clang loop unroll(full)
  for (size_t j = 0; j < n; j++) row[j] = rows + (size_t)listed[j] * width;
  for (size_t d = 0; d < width; d++) {
    double sum = run[d];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < n; j++) sum += (double)row[j][d];
    run[d] = sum;
  }
}

static void sum_rows(const float *rows, size_t width, const int32_t *listed, size_t count,
                     double *sums, double *run) {
  memset(sums, 0, width * sizeof(double));
  for (size_t first = 0; first < count; first += 256) {
    size_t last = first + 256 < count ? first + 256 : count, i = first;
    memset(run, 0, width * sizeof(double));
    // Four at a time, so that the sums are loaded and stored less often.
    for (; i + 4 <= last; i += 4) {
      for (size_t j = i + 4; j < i + 8 && j < count; j++)
        prefetch((const char *)(rows + (size_t)listed[j] * width), width * sizeof(float));
      add_rows(rows, width, listed + i, 4, run);
    }
    for (; i < last; i++) add_rows(rows, width, listed + i, 1, run);
    for (size_t d = 0; d < width; d++) sums[d] += run[d];
  }
}
