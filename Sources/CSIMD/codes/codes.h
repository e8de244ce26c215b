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

static void encode_subspace(const csimd_codebook *book, const float *points, size_t stride,
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

static void lookup_scores(const float *table, size_t codewords, const uint8_t *codes, size_t subspaces,
                          size_t row_count, float *scores) {
  // Volatile, or else clang makes a gather of these loads, which takes longer.
  const volatile float *entries = table;
  size_t r = 0;
  for (; r + 8 <= row_count; r += 8) {  // eight independent sums hide the latency of one
    float sums[8] = {0};
    for (size_t m = 0; m < subspaces; m++)
      for (size_t j = 0; j < 8; j++)
        sums[j] += entries[m * codewords + codes[(r + j) * subspaces + m]];
    memcpy(scores + r, sums, sizeof sums);
  }
  for (; r < row_count; r++) {
    float sum = 0;
    for (size_t m = 0; m < subspaces; m++) sum += table[m * codewords + codes[r * subspaces + m]];
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
