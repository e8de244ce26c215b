// Copies chosen rows:
//
//   target[i][c] = source[rows[i]][c]
//
// Layout: both row-major, `width` columns; every rows[i] has been checked.
//
// Work items: a group copies ROWS rows, its items side by side along the columns.
//
// Macros
//   ROWS  rows of a group (32)

#ifndef ROWS
#define ROWS 32
#endif

__kernel void gather(__global const float *restrict source, ulong source_offset,
                     __global const int *restrict rows, ulong rows_offset, uint row_count,
                     uint width, __global float *restrict target, ulong target_offset) {
  source += source_offset;
  rows += rows_offset;
  target += target_offset;
  uint start = (uint)group_index(0) * ROWS;
  uint end = min(row_count - start, (uint)ROWS) + start;
  for (uint row = start; row < end; row++) {
    __global const float *from = source + (size_t)rows[row] * width;
    __global float *to = target + (size_t)row * width;
    for (uint column = get_local_id(0); column < width; column += GROUP) to[column] = from[column];
  }
}
