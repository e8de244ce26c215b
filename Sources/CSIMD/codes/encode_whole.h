// Nearest codewords in whole numbers of 16 bits, two products in an instruction, for
// `encode_subspace`. Part of kernels.h.
//
// DOT2(sums, a, b) adds to each 32-bit lane the two products of its signed 16-bit numbers.

#ifdef DOT2

// Value of a codeword: half its squares less its product with the point, which orders codewords as
// distances do. `points` holds two coordinates in a word.
INLINE void compare_whole(const csimd_codebook *book, const int32_t *points, int shift,
                          const int32_t *numbers, ints best[2], ints second[2]) {
  for (int v = 0; v < 2; v++) best[v] = second[v] = (ints){0} + INT32_MAX;
  size_t pairs = (book->width + 1) / 2;
  for (size_t c = 0; c < book->count; c += STEP_CODEWORDS) {
    const int32_t *panel = book->whole + c / CSIMD_CODEWORDS * CSIMD_CODEWORDS * (pairs + 1) +
                           c % CSIMD_CODEWORDS;
    ints sums[STEP_CODEWORDS][2];
#pragma clang loop unroll(full)
    for (size_t j = 0; j < STEP_CODEWORDS; j++)
      sums[j][0] = sums[j][1] = (ints){0} + (panel[j] >> shift);
    for (size_t t = 0; t < pairs; t++) {
      panel += CSIMD_CODEWORDS;
      ints x[2];
      memcpy(x, points + t * STEP_POINTS, sizeof x);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < STEP_CODEWORDS; j++) {
        ints codeword = (ints){0} + panel[j];
        sums[j][0] = DOT2(sums[j][0], codeword, x[0]);
        sums[j][1] = DOT2(sums[j][1], codeword, x[1]);
      }
    }
#pragma clang loop unroll(full)
    for (size_t j = 0; j < STEP_CODEWORDS; j++)
      for (int v = 0; v < 2; v++)
        keep_two(sums[j][v], (ints){0} + numbers[c + j], &best[v], &second[v]);
  }
}

// Tells the same as `surely_nearest`, for values in whole numbers.
//
// Let s be the scale of codewords c, z that of points x, a and b what they were rounded to, and p
// and q the lengths of z x - a and s c - b. Of s z c.x at most |a| q + |s c| p is lost, with
// |a| <= z X + p; of half the squares, rounded and shifted, 1.5. Two values that differ by more
// than twice that, by what numbers took (256) and by what rounding them to Float32 does (2^7 at
// most), belong to distances in the same order, and by `surely_nearest` to canonical scores in the
// same order if the distances differ by its bound, too. p is computed from z x rounded to Float32,
// which is off by 2^-9 a dimension; 2^-8 of all covers the other roundings, of at most 4,096 terms.
INLINE ints surely_nearest_whole(const csimd_codebook *book, ints best, ints second, floats squares,
                                 float scale, floats rest) {
  floats p = __builtin_elementwise_sqrt(rest) + sqrtf((float)book->width) * 0x1p-9f;
  floats length = __builtin_elementwise_sqrt(squares) * scale + p;
  floats lost = length * book->whole_rest + p * (CSIMD_WHOLE_LENGTH + 1.0f) + 1.5f;
  float share = 1.25f * 0x1p-23f * (float)(book->width + 6) * (scale * book->scale);
  floats bound = (lost * 2 + (squares + book->longest) * share) * (1 + 0x1p-8f) + 600.0f;
  floats least = __builtin_convertvector(best & ~KEY_NUMBER, floats);
  floats next = __builtin_convertvector(second & ~KEY_NUMBER, floats);
  return next - least > bound;
}

// Rounds points, which are replaced, and compares them; `numbers` are 0, 1, 2, ..., in memory
// because an operand there is broadcast for nothing. False, with the points as they were, where
// they do not lend themselves to whole numbers: those far beyond the codewords.
INLINE int encode_whole(const csimd_codebook *book, float *points, const floats squares[2],
                        const int32_t *numbers, ints best[2], ints certain[2]) {
  if (!book->whole) return 0;
  floats most = __builtin_elementwise_max(squares[0], squares[1]);
  float longest = sqrtf(__builtin_reduce_max(most));
  float scale = book->scale;
  int shift = 0;
  while (longest * scale > CSIMD_WHOLE_POINT && shift < 8) scale *= 0.5f, shift++;
  if (!(longest * scale <= CSIMD_WHOLE_POINT)) return 0;

  floats rest[2] = {0};
  for (size_t d = 0; d < book->width; d += 2) {
    ints words[2];
    for (int v = 0; v < 2; v++) {
      ints rounded[2] = {0};
      for (size_t half = 0; half < 2 && d + half < book->width; half++) {
        floats x;
        memcpy(&x, points + (d + half) * STEP_POINTS + v * WIDTH, sizeof x);
        x *= scale;
        floats whole = __builtin_elementwise_rint(x);
        rest[v] += (x - whole) * (x - whole);
        rounded[half] = __builtin_convertvector(whole, ints);
      }
      words[v] = (rounded[0] & 0xFFFF) | (rounded[1] << 16);
    }
    // Dimension d / 2 has been read.
    memcpy(points + d / 2 * STEP_POINTS, words, sizeof words);
  }
  ints second[2];
  compare_whole(book, (const int32_t *)points, shift, numbers, best, second);
  for (int v = 0; v < 2; v++)
    certain[v] = surely_nearest_whole(book, best[v], second[v], squares[v], scale, rest[v]);
  return 1;
}

#else

INLINE int encode_whole(const csimd_codebook *book, float *points, const floats squares[2],
                        const int32_t *numbers, ints best[2], ints certain[2]) {
  return 0;
}

#endif
