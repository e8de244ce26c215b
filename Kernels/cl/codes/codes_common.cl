// The common part of scans of codes: their parameters, the test that sums must pass, and the way
// that rows get onto lists. Goes before the file of each scan. A scan sums
// the bytes of rounded tables, and appends the rows that may be among the k best to the queries'
// lists: those with v + e >= threshold. Sums that do not pass are never written.
//
//   U = sum over subspaces m of byte[q][m][code[r][m]],   v = fma(U, scale[q], offset[q])
//
// `search_common.cl` has lists, bounds and states, `search_places.cl` the rows a launch covers.
// RoundedTables.swift says what U proves, CodeTables.swift what v and e are.
//
// Layout
//   groups  in blocks of 64 bytes, CodeGroups.swift; `blocks` to a group
//   words   [block of queries][subspace][entry]: an entry has a byte of each query of the block.
//           Bytes are at most 127, so the entries of two subspaces add up without a carry; sums of
//           them are kept as halves of 16 bits, those of even queries apart from those of odd ones,
//           since no row's bytes add up to more.
//   lines   [query][2]: scale, which is not positive, and offset
//
// Macros CODES and ENTRIES: what a kernel reads at a time, of a group and of words.

#define FOUR 4u
#define HALVES 0x00FF00FFu

// Wide items take `slice` panels against `query_blocks` blocks of queries.
#ifdef BODY_WIDE
#define SLICE_PARAMETERS , uint slice, uint query_blocks
#else
#define SLICE_PARAMETERS
#endif

#define SCAN_PARAMETERS                                                                            \
  __global const CODES *restrict groups, ulong groups_offset,                                      \
      __global const ENTRIES *restrict words, ulong words_offset,                                  \
      __global const float *restrict lines, ulong lines_offset,                                    \
      __global const float *restrict bounds, ulong bounds_offset,                                  \
      __global const float *restrict thresholds, ulong thresholds_offset,                          \
      __global ulong *restrict lists, ulong lists_offset, __global uint *restrict counts,          \
      ulong counts_offset, __global uint *restrict tallies, ulong tallies_offset, uint blocks,     \
      uint query_count, uint capacity, uint first_row,                                             \
      uint row_count, uint panel_count, uint stride, uint first, uint end SLICE_PARAMETERS

// The largest sum of a query that passes; -1 if none does. v falls as U grows, also once rounded.
static inline int largest_passing(uint query, uint query_count, __global const float *lines,
                                  __global const float *bounds,
                                  __global const float *thresholds) {
  // A threshold of infinity says that a query is not searched.
  if (query >= query_count || !(thresholds[query] < INFINITY)) return -1;
  float2 line = vload2(query, lines);
  float limit = thresholds[query] - bounds[4 * query + 1];
  if (line.y < limit) return -1;
  uint largest = 0;
  for (uint bit = 1u << 15; bit > 0; bit >>= 1) {
    float value = fma((float)(largest | bit), line.x, line.y);
    if (!(value < limit)) largest |= bit;
  }
  return (int)largest;
}

#ifdef BODY_TILE

// Finds what passes of each of the four queries from `query` on: every item of the group calls it.
// Returns whether any sum may pass.
static inline bool find_largest(__local int *largest, uint query, uint query_count,
                                __global const float *lines, __global const float *bounds,
                                __global const float *thresholds) {
  uint item = get_local_id(0);
  if (item < FOUR) {
    largest[item] = largest_passing(query + item, query_count, lines, bounds, thresholds);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return max(max(largest[0], largest[1]), max(largest[2], largest[3])) >= 0;
}

// Appends a row to the lists of those of the four queries from `query` on that it passes. Queries 0
// and 2 are in the halves of the even sum, 1 and 3 in those of the odd one.
static inline void append_to_four(uint even, uint odd, __local const int *largest, uint query,
                                  uint row, __global const float *lines, __global ulong *lists,
                                  __global uint *counts, uint capacity) {
#pragma unroll
  for (uint i = 0; i < FOUR; i++) {
    int sum = (int)((i % 2 == 0 ? even : odd) >> i / 2 * 16 & 0xFFFFu);
    if (sum > largest[i]) continue;
    float2 line = vload2(query + i, lines);
    append_row(lists + (size_t)(query + i) * capacity, counts + query + i, capacity,
               fma((float)sum, line.x, line.y), row);
  }
}

#endif
