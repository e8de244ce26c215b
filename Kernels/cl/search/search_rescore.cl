// Gives the entries of one segment's rows their canonical score: entries become keys, in place.
//
//   key = rank of the score << 32 | row
//
// The score is that of CanonicalScore.swift to the last bit: Float64, sixteen lanes, lane j taking
// dimensions j, j + 16, ...; added as the tree 8, 4, 2, 1; rounded once to Float32; never -0.
// Products of two Float32 are exact in Float64: for them, fused or not makes no difference.
//
// Item = every `slots`-th entry of one list; global = (slots, queries). Lists of at most `limit`
// entries are left alone.

#ifdef HAS_FLOAT64

static inline double sum_lanes(double16 lanes) {
  double sums[16];
  vstore16(lanes, 0, sums);
  for (uint width = 8; width > 0; width /= 2) {
    for (uint lane = 0; lane < width; lane++) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

// Dimensions d up to d + 16 of one packed row, zero past the last. Lane by lane: vectors that are
// put together in memory, or gathered, take a CPU several times as long.
static inline double16 load_lanes(__global const float *packed, uint width, uint d,
                                  uint dimension) {
  __global const float *source = packed + (size_t)d * width;
  double16 lanes = (double16)(0.0);
  if (d + 16 <= dimension) {
    lanes.s0 = source[0];
    lanes.s1 = source[width];
    lanes.s2 = source[2 * width];
    lanes.s3 = source[3 * width];
    lanes.s4 = source[4 * width];
    lanes.s5 = source[5 * width];
    lanes.s6 = source[6 * width];
    lanes.s7 = source[7 * width];
    lanes.s8 = source[8 * width];
    lanes.s9 = source[9 * width];
    lanes.sa = source[10 * width];
    lanes.sb = source[11 * width];
    lanes.sc = source[12 * width];
    lanes.sd = source[13 * width];
    lanes.se = source[14 * width];
    lanes.sf = source[15 * width];
  } else {
    double values[16];
    for (uint lane = 0; lane < 16; lane++) {
      values[lane] = d + lane < dimension ? source[lane * width] : 0.0f;
    }
    lanes = vload16(0, values);
  }
  return lanes;
}

static inline double sum_of_squares(__global const float *query, uint dimension) {
  double16 lanes = (double16)(0.0);
  for (uint d = 0; d < dimension; d += 16) {
    double16 a = load_lanes(query, BLOCK_QUERIES, d, dimension);
    lanes = fma(a, a, lanes);
  }
  return sum_lanes(lanes);
}

__kernel void search_rescore(__global const float *restrict panels, ulong panels_offset,
                             __global const float *restrict queries, ulong queries_offset,
                             __global ulong *restrict lists, ulong lists_offset,
                             __global const uint *restrict counts, ulong counts_offset,
                             __global uint *restrict tallies, ulong tallies_offset, uint metric,
                             uint dimension, uint first_row, uint row_count, uint query_count,
                             uint capacity, uint limit, uint slots) {
  uint slot = (uint)get_global_id(0);
  uint query = (uint)get_global_id(1);
  if (slot >= slots || query >= query_count) return;
  uint count = min(counts[counts_offset + query], capacity);
  if (count <= limit) return;
  uint scored = 0;
  panels += panels_offset;
  lists += lists_offset + (size_t)query * capacity;
  __global const float *q = queries + queries_offset +
                            (size_t)(query / BLOCK_QUERIES) * dimension * BLOCK_QUERIES +
                            query % BLOCK_QUERIES;
  // Only once there is something to score.
  double query_squares = -1.0;
  for (uint i = slot; i < count; i += slots) {
    uint row = entry_row(lists[i]);
    uint place = row - first_row;
    if (row < first_row || place >= row_count) continue;
    __global const float *x = panels + (size_t)(place / PANEL_ROWS) * dimension * PANEL_ROWS +
                              place % PANEL_ROWS;
    if (metric == METRIC_COSINE && query_squares < 0.0) {
      query_squares = sum_of_squares(q, dimension);
    }
    double16 lanes = (double16)(0.0), squares = (double16)(0.0);
    uint d = 0;
    for (; d < dimension; d += 16) {
      double16 a = load_lanes(q, BLOCK_QUERIES, d, dimension);
      double16 b = load_lanes(x, PANEL_ROWS, d, dimension);
      if (metric == METRIC_SQUARED_L2) {
        a = b = a - b;
      } else if (metric == METRIC_COSINE) {
        squares = fma(b, b, squares);
      }
      lanes = fma(a, b, lanes);
    }
    double sum = sum_lanes(lanes);
    if (metric == METRIC_COSINE) {
      double lengths = sqrt(query_squares) * sqrt(sum_lanes(squares));
      sum = lengths > 0.0 ? sum / lengths : 0.0;
    }
    // Adding a positive zero turns -0 into it.
    float score = convert_float_rte(sum) + 0.0f;
    lists[i] = (ulong)score_rank(score, metric) << 32 | row;
    scored += d >= dimension ? 1 : 0;
  }
  add_tally(tallies + tallies_offset + TALLY_SCORED, scored);
}

#endif
