// The common part of the kernels of the certified search; goes before the file of each of them.
//
// Filter value  v = fma(dot, scale, offset), larger is better under every metric:
//                   ip: q.x      l2: q.x - |x|^2 / 2      cosine: q.x / |x|
//               (codes have a v and a constant e of their own: CodeTables.swift)
// List          per query, up to `capacity` entries of 64 bits in no particular order:
//                 before the canonical score   bits of v << 32 | row
//                 after it (a key)             rank of the score << 32 | row; smaller is better
//               `row` is where the row is packed, counted from the first panel: lists of rows begin
//               with a panel each. Keys that are sorted may have the rank of its id instead.
// Panels        rows [panel][dimension][32], queries [block][dimension][8], Float32, zero padded
// Terms         per panel of rows, 32 scales and then 32 offsets
// Lengths       per panel of rows, X and T below
// Bounds        per query, the linear and the constant term of e, the weight of T, and a factor
// State         per query, see STATE_*
//
// The error bound, in v. Let g = (dimension + 16) * 2^-23 * 1.01, Q = |query|, X = the largest |x|
// of the row's panel, u = 2^-24. For every row of the panel |v - value| <= e, where `value` is what
// v stands for, computed from the canonical (rounded) score:
//   ip      e = g Q X      dot of Float32 in any order, fused or not: dimension * u * Q X;
//                          the canonical score's rounding: u Q X
//   l2      e = g (Q+X)^2  dot as above; offset: (dimension + 8) u X^2 / 2; their sum: u |v|;
//                          the canonical score s = Q^2 - 2v, at most (Q+X)^2: u s
//   cosine  e = g Q        dot / X as above; scale: (dimension / 2 + 8) u; v: u; the score: u
// All three leave more than 8 u of slack, in the same unit, which covers the rounding of e itself,
// of threshold - e and of v - e: where those are rounded by more than the slack, they are so much
// larger than v that no comparison changes. Norms enter e rounded up by a factor of 1 + g.
// Underflow, also on devices that flush subnormal inputs and results, moves v by less than
// 16 * dimension * 2^-126 * (1 + Q + X); cosine multiplies that by a scale of at most 2^62.
// All of it as one polynomial: e = (square * X + linear) * X + constant.
//
// Rounded numbers. A filter on halves or bytes multiplies x' = f h, h being what is stored, in place
// of x, and q' in place of q. Let t >= |x - x'| and r >= |q - q'|, T = the panel's largest t (cosine:
// t / |x|), G = (dimension + 16) * 2^-22 * 1.01. Cauchy-Schwarz, twice:
//   |q.x - q'.x'| = |(q - q').x + q'.(x - x')| <= r X + |q'| T,   |q'| <= Q + r
// A matrix unit adds products exact in Float32 in an order of its own, and may cut off what does
// not fit instead of rounding it: 2^-22 |q'| |x'| for each dimension is more than that (Fasi, Higham,
// Mikaitis and Pranesh, PeerJ Comput. Sci. 7:e330, 2021). Sums of bytes are exact, rounded once.
// Factors and scales take 3 roundings. All of them are at most G (Q + r) (X + T), and g above is
// less than G. Hence
//   e = (square * X + linear) * X + weight * T + constant
// with weight = (1 + G) (Q + r); to `linear` (cosine: to `constant`) comes r, and G (Q + r) is in
// the place of g Q. Underflow moves v by at most twice what it does above.
//
// A row whose v + e is below the k-th largest v - e of any other rows is canonically worse than k
// rows, strictly, so that ties cannot bring it back.
//
// Norms of 2^62 and more could overflow: such a query gets constant = infinity, such a row an
// offset of NaN; cosine treats rows shorter than 2^-62 alike. A test that is written "not below"
// lets every NaN and infinity pass on to the canonical score; their lower bound is -infinity.

#define METRIC_INNER_PRODUCT 0
#define METRIC_SQUARED_L2 1
#define METRIC_COSINE 2

#define PANEL_ROWS 32u
#define BLOCK_QUERIES 8u

// Words of a query's state.
#define STATE_KEPT 0u      // entries left by the last `search_tighten`
#define STATE_PASSED 1u    // rows that passed the filter
#define STATE_RESCORED 2u  // rows scored canonically
#define STATE_OVERFLOW 3u  // 1: the list was full, so this query must be searched again
#define STATE_WORDS 4u

// What the host checks against what it asked for: words before the states. Launches that a driver
// leaves out, and loops that it ends early, show there.
#define TALLY_VISITS 1u  // pairs of a panel and a block of queries that a filter has been through
#define TALLY_SCORED 2u  // entries given their score

#define LARGEST_NORM 0x1p62f
#define SMALLEST_NORM 0x1p-62f

// Bits that order as the numbers do, smallest first.
static inline uint ascending_bits(float value) {
  uint bits = as_uint(value);
  return bits ^ ((bits >> 31) != 0 ? 0xFFFFFFFFu : 0x80000000u);
}

static inline float from_ascending_bits(uint ordered) {
  return as_float(ordered ^ ((ordered >> 31) != 0 ? 0x80000000u : 0xFFFFFFFFu));
}

// The rank of a score: smaller is better.
static inline uint score_rank(float score, uint metric) {
  uint ordered = ascending_bits(score);
  return metric == METRIC_SQUARED_L2 ? ordered : ~ordered;
}

static inline float score_of_rank(uint rank, uint metric) {
  return from_ascending_bits(metric == METRIC_SQUARED_L2 ? rank : ~rank);
}

static inline ulong entry_of(float value, uint row) { return (ulong)as_uint(value) << 32 | row; }
static inline float entry_value(ulong entry) { return as_float((uint)(entry >> 32)); }
static inline uint entry_row(ulong entry) { return (uint)entry; }

// e of one query over a panel of the given lengths.
static inline float error_bound(float4 bound, float square, float2 lengths) {
  float rounded = fma(bound.z, lengths.y, bound.y);
  return fma(fma(square, lengths.x, bound.x), lengths.x, rounded);
}

// Adds to a tally, once for each item or group that has done its work.
static inline void add_tally(__global uint *tally, uint count) {
  if (count > 0) atomic_add(tally, count);
}

// Adds a row that passed to a query's list. Past the capacity only the counter goes on.
static inline void append_row(__global ulong *list, __global uint *count, uint capacity,
                              float value, uint row) {
  uint slot = atomic_add(count, 1u);
  if (slot < capacity) list[slot] = entry_of(value, row);
}
