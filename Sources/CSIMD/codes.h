// Codebooks and clusters. Part of kernels.h.

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

static void sum_rows(const float *rows, size_t width, const int32_t *listed, size_t count,
                     double *sums, double *run) {
  memset(sums, 0, width * sizeof(double));
  for (size_t first = 0; first < count; first += 256) {
    size_t last = first + 256 < count ? first + 256 : count;
    memset(run, 0, width * sizeof(double));
    for (size_t i = first; i < last; i++) {
      const float *row = rows + (size_t)listed[i] * width;
      for (size_t d = 0; d < width; d++) run[d] += (double)row[d];
    }
    for (size_t d = 0; d < width; d++) sums[d] += run[d];
  }
}
