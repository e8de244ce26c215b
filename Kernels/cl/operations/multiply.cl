// C = alpha * A * B + beta * C, with B packed in panels of 32 columns (pack_panels.cl).
//
//   C[i, 32 p + j] = alpha * sum over d of A(i, d) * panels[p][d][j] + beta * C[i, 32 p + j]
//
// Layout: A(i, d) is a[i * a_stride + d], or a[d * a_stride + i] with A_IN_COLUMNS 1. C is
// row-major, `c_stride` apart; `columns` of it are computed here. With beta 0 the old C is not
// read. Inner products are this with the queries as A and the vectors as the columns of B.
//
// Work items
//   BODY_WIDE  one item computes ROWS_PER_ITEM rows x one panel, 8 x 32 at a time in 16 float16,
//              which is what a CPU's registers hold; the panel stays in the first-level cache.
//              Global id: x = panel, y = block of rows.
//   BODY_TILE  a group of ITEMS x ITEMS items computes a square tile of ITEMS * ITEM_SIDE through
//              local memory, ITEM_SIDE x ITEM_SIDE per item. Group: x = tile of rows (neighbours
//              share the panels, which so stay in the second-level cache), y = tile of columns.
//
// Macros
//   A_IN_COLUMNS   A is given transposed (0)
//   ROWS_PER_ITEM  wide: rows of one item, a multiple of 8 (256)
//   ITEMS          tile: items along each side of a group (16)
//   ITEM_SIDE      tile: rows and columns of one item, a multiple of 4 (8)
//   STEP           tile: dimensions in local memory at a time (16)
//   FUSED          each multiply-add is rounded once also where that takes many instructions, and
//                  nothing is added that is not there: a product that is the same bits everywhere

#ifndef A_IN_COLUMNS
#define A_IN_COLUMNS 0
#endif

#define PANEL 32

#ifdef FUSED
#undef MULTIPLY_ADD
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
// Zeros past the last dimension would make +0 of -0.
#define STEPS min((uint)STEP, inner - start)
#else
#define STEPS STEP
#endif

#ifdef BODY_WIDE

#ifndef ROWS_PER_ITEM
#define ROWS_PER_ITEM 256
#endif

static inline void store_part(float16 sum, float alpha, float beta, __global float *c,
                              uint columns) {
  float values[16];
  vstore16(alpha * sum, 0, values);
  for (uint j = 0; j < columns; j++) c[j] = beta == 0.0f ? values[j] : values[j] + beta * c[j];
}

static inline void store(float16 sum, float alpha, float beta, __global float *c) {
  float16 value = alpha * sum;
  if (beta != 0.0f) value += beta * vload16(0, c);
  vstore16(value, 0, c);
}

// One block of R rows; R is known to the compiler, so the accumulators stay in registers.
#define DEFINE_BLOCK(R)                                                                            \
  static inline void block_##R(__global const float *a, ulong a_stride,                            \
                        __global const float16 *panel, uint inner, float alpha, float beta,        \
                        __global float *c, ulong c_stride, uint columns) {                         \
    float16 low[R], high[R];                                                                       \
    _Pragma("unroll") for (uint i = 0; i < R; i++) low[i] = high[i] = (float16)(0.0f);             \
    _Pragma("unroll 1") for (uint d = 0; d < inner; d++) {                                         \
      float16 left = panel[2 * d], right = panel[2 * d + 1];                                       \
      _Pragma("unroll") for (uint i = 0; i < R; i++) {                                             \
        float16 value = (float16)(A_IN_COLUMNS ? a[d * a_stride + i] : a[i * a_stride + d]);       \
        low[i] = MULTIPLY_ADD(value, left, low[i]);                                                \
        high[i] = MULTIPLY_ADD(value, right, high[i]);                                             \
      }                                                                                            \
    }                                                                                              \
    if (columns >= PANEL) {                                                                        \
      _Pragma("unroll") for (uint i = 0; i < R; i++) {                                             \
        store(low[i], alpha, beta, c + i * c_stride);                                              \
        store(high[i], alpha, beta, c + i * c_stride + 16);                                        \
      }                                                                                            \
    } else {                                                                                       \
      _Pragma("unroll") for (uint i = 0; i < R; i++) {                                             \
        store_part(low[i], alpha, beta, c + i * c_stride, min(columns, 16u));                      \
        store_part(high[i], alpha, beta, c + i * c_stride + 16, max(columns, 16u) - 16u);          \
      }                                                                                            \
    }                                                                                              \
  }

DEFINE_BLOCK(8)
DEFINE_BLOCK(4)
DEFINE_BLOCK(2)
DEFINE_BLOCK(1)

#define RUN_BLOCK(R)                                                                               \
  block_##R(a + (A_IN_COLUMNS ? row : row * a_stride), a_stride, panel, inner, alpha, beta,        \
            c + row * c_stride, c_stride, present);                                                \
  row += R;

__kernel void multiply(__global const float *restrict a, ulong a_offset, ulong a_stride,
                       ulong rows,
                       __global const float *restrict panels, ulong panels_offset, uint inner,
                       float alpha, float beta, __global float *restrict c, ulong c_offset,
                       ulong c_stride, uint columns) {
  size_t index = get_global_id(0);
  __global const float16 *panel =
      (__global const float16 *)(panels + panels_offset + index * inner * PANEL);
  uint present = min(columns - (uint)index * PANEL, (uint)PANEL);
  a += a_offset;
  c += c_offset + index * PANEL;
  size_t row = get_global_id(1) * ROWS_PER_ITEM;
  size_t end = min(row + ROWS_PER_ITEM, (size_t)rows);
  while (row + 8 <= end) {
    RUN_BLOCK(8)
  }
  if (row + 4 <= end) {
    RUN_BLOCK(4)
  }
  if (row + 2 <= end) {
    RUN_BLOCK(2)
  }
  if (row < end) {
    RUN_BLOCK(1)
  }
}

#else

#ifndef ITEMS
#define ITEMS 16
#endif
#ifndef ITEM_SIDE
#define ITEM_SIDE 8
#endif
#ifndef STEP
#define STEP 16
#endif

#define TILE (ITEMS * ITEM_SIDE)
#define QUADS (ITEM_SIDE / 4)
#undef LOCAL_X
#define LOCAL_X ITEMS
#undef LOCAL_Y
#define LOCAL_Y ITEMS

__kernel __attribute__((reqd_work_group_size(ITEMS, ITEMS, 1))) void multiply(
    __global const float *restrict a, ulong a_offset, ulong a_stride, ulong rows,
    __global const float *restrict panels, ulong panels_offset, uint inner, float alpha, float beta,
    __global float *restrict c, ulong c_offset, ulong c_stride, uint columns) {
  // Item x of a row or column holds quads x, x + ITEMS, ...: neighbours read neighbouring words.
  // Rows are padded by a quad so that storing A along its rows meets different banks.
  __local float4 a_tile[STEP][TILE / 4 + 1];
  __local float4 b_tile[STEP][TILE / 4];
  uint x = get_local_id(0), y = get_local_id(1);
  uint item = y * ITEMS + x;
  size_t first_row = group_index(0) * TILE;
  uint first_column = (uint)group_index(1) * TILE;
  uint padded_columns = (columns + PANEL - 1) / PANEL * PANEL;
  a += a_offset;
  panels += panels_offset;

  float4 sums[ITEM_SIDE][QUADS];
#pragma unroll
  for (uint i = 0; i < ITEM_SIDE; i++) {
#pragma unroll
    for (uint j = 0; j < QUADS; j++) sums[i][j] = (float4)(0.0f);
  }

  for (uint start = 0; start < inner; start += STEP) {
    for (uint word = item; word < STEP * TILE; word += ITEMS * ITEMS) {
      uint i = A_IN_COLUMNS ? word % TILE : word / STEP;
      uint d = A_IN_COLUMNS ? word / TILE : word % STEP;
      size_t row = first_row + i, dimension = start + d;
      float value = 0.0f;
      if (row < rows && dimension < inner)
        value = a[A_IN_COLUMNS ? dimension * a_stride + row : row * a_stride + dimension];
      ((__local float *)a_tile[d])[i] = value;
    }
    for (uint word = item; word < STEP * TILE; word += ITEMS * ITEMS) {
      uint column = first_column + word % TILE, d = start + word / TILE;
      float value = 0.0f;
      if (column < padded_columns && d < inner)
        value = panels[((size_t)(column / PANEL) * inner + d) * PANEL + column % PANEL];
      ((__local float *)b_tile[word / TILE])[word % TILE] = value;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint d = 0; d < STEPS; d++) {
      float4 left[QUADS], right[QUADS];
#pragma unroll
      for (uint q = 0; q < QUADS; q++) {
        left[q] = a_tile[d][q * ITEMS + y];
        right[q] = b_tile[d][q * ITEMS + x];
      }
#pragma unroll
      for (uint q = 0; q < QUADS; q++) {
#pragma unroll
        for (uint j = 0; j < QUADS; j++) {
          sums[4 * q][j] = MULTIPLY_ADD((float4)(left[q].x), right[j], sums[4 * q][j]);
          sums[4 * q + 1][j] = MULTIPLY_ADD((float4)(left[q].y), right[j], sums[4 * q + 1][j]);
          sums[4 * q + 2][j] = MULTIPLY_ADD((float4)(left[q].z), right[j], sums[4 * q + 2][j]);
          sums[4 * q + 3][j] = MULTIPLY_ADD((float4)(left[q].w), right[j], sums[4 * q + 3][j]);
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  c += c_offset;
#pragma unroll
  for (uint i = 0; i < ITEM_SIDE; i++) {
    size_t row = first_row + (i / 4 * ITEMS + y) * 4 + i % 4;
    if (row >= rows) continue;
#pragma unroll
    for (uint j = 0; j < QUADS; j++) {
      uint column = first_column + (j * ITEMS + x) * 4;
      __global float *place = c + row * c_stride + column;
      float4 value = alpha * sums[i][j];
      if (column + 4 <= columns) {
        if (beta != 0.0f) value += beta * vload4(0, place);
        vstore4(value, 0, place);
      } else {
        float parts[4];
        vstore4(value, 0, parts);
        for (uint e = 0; column + e < columns; e++)
          place[e] = beta == 0.0f ? parts[e] : parts[e] + beta * place[e];
      }
    }
  }
}

#endif
