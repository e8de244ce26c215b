// Products of Float32 matrices. Part of kernels.h.
//
// Both sides are cut into strips of lines that lie side by side, dimension by dimension: QUERY_BLOCK
// rows of the left side, COLUMNS registers of columns of the right side. A pair of strips makes a tile
// whose sums stay in registers (Goto and van de Geijn, Anatomy of high-performance matrix
// multiplication, 2008).

#define TILE_COLUMNS (COLUMNS * WIDTH)

// Four numbers of each of four lines turned round: `target` gets one number of each line, `width`
// floats apart.
INLINE void turn_round(const float *source, size_t line_step, float *target, size_t width) {
  typedef float float4 __attribute__((vector_size(16)));
  float4 a, b, c, d;
  memcpy(&a, source, 16);
  memcpy(&b, source + line_step, 16);
  memcpy(&c, source + 2 * line_step, 16);
  memcpy(&d, source + 3 * line_step, 16);
  float4 low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  float4 high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  float4 more_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  float4 more_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(low, more_low, 0, 1, 4, 5);
  b = __builtin_shufflevector(low, more_low, 2, 3, 6, 7);
  c = __builtin_shufflevector(high, more_high, 0, 1, 4, 5);
  d = __builtin_shufflevector(high, more_high, 2, 3, 6, 7);
  memcpy(target, &a, 16);
  memcpy(target + width, &b, 16);
  memcpy(target + 2 * width, &c, 16);
  memcpy(target + 3 * width, &d, 16);
}

static void pack_strips(const float *source, size_t line_step, size_t depth_step, size_t lines,
                        size_t depth, size_t width, float *packed) {
  for (size_t first = 0; first < lines; first += width, packed += width * depth) {
    const float *strip = source + first * line_step;
    size_t count = lines - first < width ? lines - first : width;
    if (count < width) memset(packed, 0, width * depth * sizeof(float));
    if (line_step == 1) {
      for (size_t d = 0; d < depth; d++)
        memcpy(packed + d * width, strip + d * depth_step, count * sizeof(float));
      continue;
    }
    size_t line = 0;
    if (depth_step == 1)
      for (; line + 4 <= count; line += 4) {
        const float *from = strip + line * line_step;
        float *to = packed + line;
        size_t d = 0;
        for (; d + 4 <= depth; d += 4) turn_round(from + d, line_step, to + d * width, width);
        for (; d < depth; d++)
          for (size_t j = 0; j < 4; j++) to[d * width + j] = from[j * line_step + d];
      }
    for (; line < count; line++)
      for (size_t d = 0; d < depth; d++)
        packed[d * width + line] = strip[line * line_step + d * depth_step];
  }
}

INLINE void store_product(float *target, floats sum, float alpha, float beta) {
  floats value = sum * alpha;
  if (beta != 0)
    value = MULTIPLY_ADD(sum, alpha - (floats){0}, beta * *(const floats_anywhere *)target);
  *(floats_anywhere *)target = value;
}

static void multiply_strips(const float *left, const float *right, size_t rows, size_t columns,
                            size_t depth, float alpha, float beta, float *result, size_t stride) {
  for (size_t column = 0; column < columns; column += TILE_COLUMNS) {
    size_t width = columns - column < TILE_COLUMNS ? columns - column : TILE_COLUMNS;
    for (size_t row = 0; row < rows; row += QUERY_BLOCK) {
      size_t height = rows - row < QUERY_BLOCK ? rows - row : QUERY_BLOCK;
      float *tile = result + row * stride + column;
      for (size_t i = 0; i < height; i++) __builtin_prefetch(tile + i * stride, 1);
      floats sums[QUERY_BLOCK][COLUMNS];
      multiply_interleaved(right + column * depth, TILE_COLUMNS, left + row * depth, QUERY_BLOCK,
                           depth, sums);
      if (height == QUERY_BLOCK && width == TILE_COLUMNS) {
#pragma clang loop unroll(full)
        for (size_t i = 0; i < QUERY_BLOCK; i++)
#pragma clang loop unroll(full)
          for (size_t j = 0; j < COLUMNS; j++)
            store_product(tile + i * stride + j * WIDTH, sums[i][j], alpha, beta);
      } else {
        // Past the edges of the result there is no room: by way of a line of its own.
        float line[TILE_COLUMNS];
        for (size_t i = 0; i < height; i++) {
          if (beta != 0) memcpy(line, tile + i * stride, width * sizeof(float));
          for (size_t j = width; j < TILE_COLUMNS; j++) line[j] = 0;
          for (size_t j = 0; j < COLUMNS; j++)
            store_product(line + j * WIDTH, sums[i][j], alpha, beta);
          memcpy(tile + i * stride, line, width * sizeof(float));
        }
      }
    }
  }
}
