// Packs vectors into panels of 32: 32 neighbouring work items, or two float16, read one line.
//
//   panels[p][d][j] = vector first_vector + 32 p + j, dimension first_dimension + d
//                     0 past the last vector
//
// Layout: vectors lie in rows (VECTORS_IN_ROWS 1: vectors[v * stride + d]) or in columns
// (0: vectors[d * stride + v]). Panels follow each other, each `dimensions` x 32 Float32.
//
// Work items
//   BODY_WIDE  one item packs one panel
//   BODY_TILE  a group of 32 x ROWS_AT_ONCE items packs 32 dimensions of one panel through local memory, so
//              that reads and writes both run along consecutive items.
//              Group: x = panel, y = block of dimensions.
//
// Macros
//   VECTORS_IN_ROWS  how the vectors lie (1)

#ifndef VECTORS_IN_ROWS
#define VECTORS_IN_ROWS 1
#endif

#define PANEL 32

static inline size_t vector_index(ulong vector, ulong dimension, ulong stride) {
  return VECTORS_IN_ROWS ? vector * stride + dimension : dimension * stride + vector;
}

#ifdef BODY_WIDE

__kernel void pack_panels(__global const float *restrict vectors, ulong vectors_offset,
                          ulong stride, ulong first_vector, ulong vector_count,
                          ulong first_dimension, uint dimensions,
                          __global float *restrict panels, ulong panels_offset) {
  size_t panel = get_global_id(0);
  first_vector += panel * PANEL;
  __global const float *source =
      vectors + vectors_offset + vector_index(first_vector, first_dimension, stride);
  __global float *target = panels + panels_offset + panel * dimensions * PANEL;
  uint present = (uint)min(vector_count - first_vector, (ulong)PANEL);
#if VECTORS_IN_ROWS
  // Vector by vector: memory is read in one stream, and what is written stays in a near cache.
  for (uint j = 0; j < present; j++) {
    for (uint d = 0; d < dimensions; d++)
      target[d * PANEL + j] = source[vector_index(j, d, stride)];
  }
#else
  for (uint d = 0; d < dimensions; d++) {
    for (uint j = 0; j < present; j++) target[d * PANEL + j] = source[vector_index(j, d, stride)];
  }
#endif
  for (uint d = 0; d < dimensions; d++) {
    for (uint j = present; j < PANEL; j++) target[d * PANEL + j] = 0.0f;
  }
}

#else

// Groups of 64 items and more: two rows at once, and up to eight.
#define ROWS_AT_ONCE (GROUP < 256 ? GROUP / PANEL : 8)
#undef LOCAL_X
#define LOCAL_X PANEL
#undef LOCAL_Y
#define LOCAL_Y ROWS_AT_ONCE

__kernel __attribute__((reqd_work_group_size(PANEL, ROWS_AT_ONCE, 1))) void pack_panels(
    __global const float *restrict vectors, ulong vectors_offset, ulong stride, ulong first_vector,
    ulong vector_count, ulong first_dimension, uint dimensions, __global float *restrict panels,
    ulong panels_offset) {
  // One column more than a panel has, so that reading along either side meets every bank.
  __local float tile[PANEL][PANEL + 1];
  uint x = get_local_id(0);
  size_t panel = group_index(0);
  uint dimension = (uint)group_index(1) * PANEL;
  first_vector += panel * PANEL;
  vectors += vectors_offset;
  panels += panels_offset + panel * dimensions * PANEL;

  // x runs along memory: over dimensions where vectors are rows, over vectors where they are
  // columns.
  for (uint y = get_local_id(1); y < PANEL; y += ROWS_AT_ONCE) {
    uint j = VECTORS_IN_ROWS ? y : x;
    uint d = dimension + (VECTORS_IN_ROWS ? x : y);
    float value = 0.0f;
    if (first_vector + j < vector_count && d < dimensions)
      value = vectors[vector_index(first_vector + j, first_dimension + d, stride)];
    tile[d - dimension][j] = value;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint y = get_local_id(1); y < PANEL && dimension + y < dimensions; y += ROWS_AT_ONCE)
    panels[(dimension + y) * PANEL + x] = tile[y][x];
}

#endif
