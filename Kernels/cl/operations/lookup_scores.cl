// Asymmetric scores from tables:
//
//   scores[q][r] = sum over m, rising, of tables[q][m * codewords + codes[r][m]]
//
// The additions are in Float32, in this order and nothing else, so every device gets the same bits.
//
// Layout: all row-major; codes are bytes, `subspaces` to a row, each checked to be inside its
// table.
//
// Work items
//   BODY_WIDE  one item scores SPAN rows for one query, eight sums side by side
//   BODY_TILE  a group scores ROWS rows per item for one query; the tables of SUBSPACES subspaces
//              at a time lie in local memory
// Group: x = block of rows, y = query.
//
// Macros
//   SPAN   wide: rows of an item (1024)
//   ROWS   tile: rows of an item (4)
//   SUBSPACES  tile: subspaces in local memory at a time; each takes up to 1 KiB (8)

#pragma OPENCL FP_CONTRACT OFF

#ifdef BODY_WIDE

#ifndef SPAN
#define SPAN 1024
#endif

__kernel void lookup_scores(__global const float *restrict tables, ulong tables_offset,
                            __global const uchar *restrict codes, ulong codes_offset,
                            ulong row_count, uint subspaces, uint codewords,
                            __global float *restrict scores, ulong scores_offset) {
  size_t query = get_global_id(1);
  size_t row = get_global_id(0) * SPAN;
  size_t end = min(row + SPAN, (size_t)row_count);
  tables += tables_offset + query * subspaces * codewords;
  codes += codes_offset;
  scores += scores_offset + query * row_count;
  for (; row + 8 <= end; row += 8) {
    __global const uchar *code = codes + row * subspaces;
    float sums[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    __global const float *table = tables;
    for (uint m = 0; m < subspaces; m++, table += codewords) {
#pragma unroll
      for (uint i = 0; i < 8; i++) sums[i] += table[code[i * subspaces + m]];
    }
#pragma unroll
    for (uint i = 0; i < 8; i++) scores[row + i] = sums[i];
  }
  for (; row < end; row++) {
    float sum = 0.0f;
    for (uint m = 0; m < subspaces; m++) sum += tables[m * codewords + codes[row * subspaces + m]];
    scores[row] = sum;
  }
}

#else

#ifndef ROWS
#define ROWS 4
#endif
#ifndef SUBSPACES
#define SUBSPACES 8
#endif

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void lookup_scores(
    __global const float *restrict tables, ulong tables_offset,
    __global const uchar *restrict codes, ulong codes_offset, ulong row_count, uint subspaces,
    uint codewords, __global float *restrict scores, ulong scores_offset) {
  // A code is a byte, so 256 entries a subspace are enough, however many there are.
  __local float local_tables[SUBSPACES * 256];
  size_t query = group_index(1);
  size_t first = group_index(0) * (GROUP * ROWS) + get_local_id(0);
  tables += tables_offset + query * subspaces * codewords;
  codes += codes_offset;
  uint kept = min(codewords, 256u);
  float sums[ROWS];
#pragma unroll
  for (uint i = 0; i < ROWS; i++) sums[i] = 0.0f;
  for (uint start = 0; start < subspaces; start += SUBSPACES) {
    uint here = min(subspaces - start, (uint)SUBSPACES);
    for (uint entry = get_local_id(0); entry < here * kept; entry += GROUP) {
      uint source = kept == codewords ? entry : entry / 256 * codewords + entry % 256;
      local_tables[entry] = tables[start * codewords + source];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint i = 0; i < ROWS; i++) {
      size_t row = first + i * GROUP;
      if (row < row_count) {
        for (uint m = 0; m < here; m++)
          sums[i] += local_tables[m * kept + codes[row * subspaces + start + m]];
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  scores += scores_offset + query * row_count;
#pragma unroll
  for (uint i = 0; i < ROWS; i++) {
    size_t row = first + i * GROUP;
    if (row < row_count) scores[row] = sums[i];
  }
}

#endif
