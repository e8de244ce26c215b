// Nearest codewords in Float32, for `encode_subspace`. Part of kernels.h.

// Codewords per step of `encode_subspace`, beside two registers of points: what the register file
// holds.
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

// Keeps the two smallest keys. A key is a number whose lowest bits have given way to the
// codeword's.
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

// Tells whether the codeword of the smallest key is surely the canonical one.
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
