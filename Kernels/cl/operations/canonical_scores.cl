// Scores that are the same bits everywhere:
//
//   scores[q][v] = canonical(query q, vector v)
//
// The score is that of CanonicalScore.swift: Float64, sixteen lanes, lane j taking dimensions j,
// j + 16, ...; added as the tree 8, 4, 2, 1; rounded once to Float32; never -0. Products of two
// Float32 are exact in Float64: for them, fused or not makes no difference.
//
// Layout: all row-major, queries and vectors of `dimension` columns, all finite.
//
// Work items: a group scores SPAN vectors with one query, x = block of vectors, y = query.
//
// Macros
//   SPAN    vectors of a group (wide 64, tile GROUP)
//   METRIC  0 inner product, 1 squared L2, 2 cosine (no default)

#pragma OPENCL FP_CONTRACT OFF

#ifndef SPAN
#define SPAN 64
#endif

// In memory: Oclgrind cannot follow shuffles of halves.
static inline double sum_lanes(double16 lanes) {
  double sums[16];
  vstore16(lanes, 0, sums);
  for (uint width = 8; width > 0; width /= 2) {
    for (uint lane = 0; lane < width; lane++) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

// Sixteen dimensions from d on, zero past the last.
static inline double16 load_lanes(__global const float *row, uint d, uint dimension) {
  if (d + 16 <= dimension) return convert_double16(vload16(0, row + d));
  float values[16];
  for (uint lane = 0; lane < 16; lane++) values[lane] = d + lane < dimension ? row[d + lane] : 0.0f;
  return convert_double16(vload16(0, values));
}

__kernel void canonical_scores(__global const float *restrict queries, ulong queries_offset,
                               __global const float *restrict vectors, ulong vectors_offset,
                               uint vector_count, uint dimension,
                               __global float *restrict scores, ulong scores_offset) {
  size_t query = get_global_id(1);
  __global const float *q = queries + queries_offset + query * dimension;
  vectors += vectors_offset;
  scores += scores_offset + query * vector_count;
  uint start = (uint)group_index(0) * SPAN;
  uint end = start + min(vector_count - start, (uint)SPAN);
  for (uint vector = start + (uint)get_local_id(0); vector < end; vector += GROUP) {
    __global const float *x = vectors + (size_t)vector * dimension;
    double16 lanes = (double16)(0.0);
#if METRIC == 2
    double16 query_squares = (double16)(0.0), vector_squares = (double16)(0.0);
#endif
    for (uint d = 0; d < dimension; d += 16) {
      double16 a = load_lanes(q, d, dimension);
      double16 b = load_lanes(x, d, dimension);
#if METRIC == 1
      a = b = a - b;
#elif METRIC == 2
      query_squares = fma(a, a, query_squares);
      vector_squares = fma(b, b, vector_squares);
#endif
      lanes = fma(a, b, lanes);
    }
    double sum = sum_lanes(lanes);
#if METRIC == 2
    double lengths = sqrt(sum_lanes(query_squares)) * sqrt(sum_lanes(vector_squares));
    sum = lengths > 0.0 ? sum / lengths : 0.0;
#endif
    // Adding a positive zero turns -0 into it.
    scores[vector] = convert_float_rte(sum) + 0.0f;
  }
}
