// A sparse matrix times a dense one:
//
//   result[i] = sum over the entries e of row i of values[e] * source[columns[e]]
//   result[i] += that, with ADDING 1
//
// A row's entries are cut in runs of 256, in their order. A run is one chain of fused multiply-adds
// from 0; runs are added in order. The same bits as the reference's.
//
// Layout: source and result are row-major, `source_stride` and `result_stride` apart, `width` columns;
// the entries of row i are starts[i] ..< starts[i + 1]; every columns[e] has been checked.
//
// Work items
//   BODY_WIDE  one item computes ROWS rows, 64 columns at a time in four float16, then 16, then the
//              rest
//   BODY_TILE  a group of 32 x GROUP / 32 items computes 32 columns of as many rows, one number each.
//              Group: x = columns, y = rows.
//
// Macros
//   ADDING      (0)
//   HAS_VALUES  0: every value is 1 (1)
//   ROWS        wide: rows of an item (8)

#pragma OPENCL FP_CONTRACT OFF

#ifndef ADDING
#define ADDING 0
#endif
#ifndef HAS_VALUES
#define HAS_VALUES 1
#endif
#ifndef ROWS
#define ROWS 8
#endif

#if HAS_VALUES
#define VALUE(e) values[e]
#else
#define VALUE(e) 1.0f
#endif

#define PARAMETERS                                                                                 \
  __global const int *restrict starts, ulong starts_offset, uint rows,                             \
      __global const int *restrict columns, ulong columns_offset,                                  \
      __global const float *restrict values, ulong values_offset,                                  \
      __global const float *restrict source, ulong source_offset, ulong source_stride, uint width, \
      __global float *restrict result, ulong result_offset, ulong result_stride

#ifdef BODY_WIDE

// R times 16 columns of one row.
#define DEFINE_BLOCK(R)                                                                            \
  static inline void block_##R(__global const int *columns, __global const float *values,          \
                               uint begin, uint end, __global const float *source,                 \
                               ulong source_stride, __global float *result) {                      \
    float16 total[R];                                                                              \
    _Pragma("unroll") for (uint j = 0; j < R; j++)                                                 \
      total[j] = ADDING ? vload16(j, result) : (float16)(0.0f);                                    \
    for (uint first = begin; first < end; first += 256) {                                          \
      uint stop = min(end - first, 256u) + first;                                                  \
      float16 run[R];                                                                              \
      _Pragma("unroll") for (uint j = 0; j < R; j++) run[j] = (float16)(0.0f);                     \
      for (uint e = first; e < stop; e++) {                                                        \
        __global const float *row = source + (ulong)columns[e] * source_stride;                    \
        float16 value = (float16)(VALUE(e));                                                       \
        _Pragma("unroll") for (uint j = 0; j < R; j++)                                             \
          run[j] = fma(value, vload16(j, row), run[j]);                                            \
      }                                                                                            \
      bool is_first = !ADDING && first == begin;                                                   \
      _Pragma("unroll") for (uint j = 0; j < R; j++)                                               \
        total[j] = is_first ? run[j] : total[j] + run[j];                                          \
    }                                                                                              \
    _Pragma("unroll") for (uint j = 0; j < R; j++) vstore16(total[j], j, result);                  \
  }

DEFINE_BLOCK(4)
DEFINE_BLOCK(1)

#endif

// One number.
static inline void element(__global const int *columns, __global const float *values, uint begin,
                           uint end, __global const float *source, ulong source_stride,
                           __global float *result) {
  float total = ADDING ? *result : 0.0f;
  for (uint first = begin; first < end; first += 256) {
    uint stop = min(end - first, 256u) + first;
    float run = 0.0f;
    for (uint e = first; e < stop; e++)
      run = fma(VALUE(e), source[(ulong)columns[e] * source_stride], run);
    total = !ADDING && first == begin ? run : total + run;
  }
  *result = total;
}

#ifdef BODY_WIDE

__kernel void multiply_sparse(PARAMETERS) {
  starts += starts_offset;
  columns += columns_offset;
  values += values_offset;
  source += source_offset;
  result += result_offset;
  uint end = min((uint)get_global_id(0) * ROWS + ROWS, rows);
  for (uint row = (uint)get_global_id(0) * ROWS; row < end; row++) {
    uint begin = (uint)starts[row], stop = (uint)starts[row + 1];
    __global float *line = result + row * result_stride;
    uint column = 0;
    for (; column + 64 <= width; column += 64)
      block_4(columns, values, begin, stop, source + column, source_stride, line + column);
    for (; column + 16 <= width; column += 16)
      block_1(columns, values, begin, stop, source + column, source_stride, line + column);
    for (; column < width; column++)
      element(columns, values, begin, stop, source + column, source_stride, line + column);
  }
}

#else

#undef LOCAL_X
#define LOCAL_X 32
#undef LOCAL_Y
#define LOCAL_Y (GROUP / 32)

__kernel __attribute__((reqd_work_group_size(LOCAL_X, LOCAL_Y, 1))) void multiply_sparse(
    PARAMETERS) {
  uint column = (uint)get_global_id(0), row = (uint)get_global_id(1);
  if (row >= rows || column >= width) return;
  starts += starts_offset;
  element(columns + columns_offset, values + values_offset, (uint)starts[row],
          (uint)starts[row + 1], source + source_offset + column, source_stride,
          result + result_offset + row * result_stride + column);
}

#endif
