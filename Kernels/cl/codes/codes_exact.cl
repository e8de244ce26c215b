// Computes the exact scores of codes: of the rows that a scan lets pass, or of all rows of lists;
// `codes_scan.cl` and `codes_scan_bytes.cl` have the layout of groups.
//
// codes_rescore  gives the entries of one segment's rows their score: they become keys, in place.
//
//     key = rank of the score << 32 | row
//     score = sum over m, rising, of tables[q][m][code[r][m]]
//
//                The additions are those of `lookup_scores.cl`, so every device gets the same bits.
//                Item = every `slots`-th entry of one list; global = (slots, queries). Lists of at
//                most `limit` entries are left alone.
// codes_listed   appends the rows of lists that are not worse than their query's threshold:
//
//     score = sum * scale[place] + weight[q] * offset[place] + term[q, list]
//     v = the score, negated where the smallest is best; its bound e is 0
//
//                `work` has three words for each 32 places that a query looks at: their number, the
//                mask of the rows that may be hits, and which term is theirs. Query q has the
//                entries from starts[q] up to starts[q + 1], at most panel_count, and a launch
//                covers the same share of them for each query. Item = row `lane` of every
//                `slots` / 32-th entry of one query; global = (slots, queries).
// codes_listed_keys  turns the entries that codes_listed left into keys. Item and global as in
//                codes_rescore.
//
// Macros
//   BITS     of a number, 4 or 8
//   FACTORS  there are scales and offsets, two numbers by place, and a weight for each query
//   TERMS    there are terms

#pragma OPENCL FP_CONTRACT OFF

#define BLOCK_BYTES 64u

#if BITS == 4

// A row's number for subspace 0; those of the next subspaces are in the next bytes, every fourth in
// the next block.
static inline __global const uchar *numbers_of(__global const uchar *groups, uint row,
                                               uint blocks) {
  return groups + (size_t)(row / PANEL_ROWS) * blocks * BLOCK_BYTES + row % 16 * 4;
}

static inline uint number_at(__global const uchar *numbers, uint subspace, uint row) {
  return numbers[subspace / 4 * BLOCK_BYTES + subspace % 4] >> (row % PANEL_ROWS / 16 * 4) & 15u;
}

#else

// A row's number for subspace 0; those of the next subspaces are in the next blocks.
static inline __global const uchar *numbers_of(__global const uchar *groups, uint row,
                                               uint blocks) {
  return groups + (size_t)(row / BLOCK_BYTES) * blocks * BLOCK_BYTES + row % BLOCK_BYTES;
}

static inline uint number_at(__global const uchar *numbers, uint subspace, uint row) {
  return numbers[subspace * BLOCK_BYTES];
}

#endif

__kernel void codes_rescore(__global const uchar *restrict groups, ulong groups_offset,
                            __global const float *restrict tables, ulong tables_offset,
                            __global ulong *restrict lists, ulong lists_offset,
                            __global const uint *restrict counts, ulong counts_offset,
                            __global uint *restrict tallies, ulong tallies_offset, uint metric,
                            uint subspaces, uint blocks, uint codewords, uint first_row,
                            uint row_count, uint query_count, uint capacity, uint limit,
                            uint slots) {
  uint slot = (uint)get_global_id(0);
  uint query = (uint)get_global_id(1);
  if (slot >= slots || query >= query_count) return;
  uint count = min(counts[counts_offset + query], capacity);
  if (count <= limit) return;
  uint scored = 0;
  tables += tables_offset + (size_t)query * subspaces * codewords;
  lists += lists_offset + (size_t)query * capacity;
  for (uint i = slot; i < count; i += slots) {
    uint row = entry_row(lists[i]);
    uint place = row - first_row;
    if (row < first_row || place >= row_count) continue;
    __global const uchar *numbers = numbers_of(groups + groups_offset, place, blocks);
    float sum = 0.0f;
    uint m = 0;
    for (; m < subspaces; m++) sum += tables[m * codewords + number_at(numbers, m, place)];
    lists[i] = (ulong)score_rank(sum, metric) << 32 | row;
    scored += m >= subspaces ? 1 : 0;
  }
  add_tally(tallies + tallies_offset + TALLY_SCORED, scored);
}

#ifdef FACTORS
#define FACTOR_PARAMETERS                                                                          \
  , __global const float *restrict factors, ulong factors_offset,                                  \
      __global const float *restrict weights, ulong weights_offset
#else
#define FACTOR_PARAMETERS
#endif
#ifdef TERMS
#define TERM_PARAMETERS , __global const float *restrict terms, ulong terms_offset
#else
#define TERM_PARAMETERS
#endif

__kernel void codes_listed(__global const uchar *restrict groups, ulong groups_offset,
                           __global const float *restrict tables, ulong tables_offset,
                           __global const uint *restrict work, ulong work_offset,
                           __global const uint *restrict starts, ulong starts_offset,
                           __global const float *restrict thresholds, ulong thresholds_offset,
                           __global ulong *restrict lists, ulong lists_offset,
                           __global uint *restrict counts, ulong counts_offset,
                           __global uint *restrict tallies, ulong tallies_offset, uint negated,
                           uint subspaces, uint blocks, uint codewords, uint first_place,
                           uint query_count, uint capacity, uint panel_count,
                           uint first, uint end, uint slots FACTOR_PARAMETERS TERM_PARAMETERS) {
  uint slot = (uint)get_global_id(0);
  uint query = (uint)get_global_id(1);
  if (slot >= slots || query >= query_count) return;
  float threshold = thresholds[thresholds_offset + query];
  tables += tables_offset + (size_t)query * subspaces * codewords;
  lists += lists_offset + (size_t)query * capacity;
  counts += counts_offset + query;
  starts += starts_offset + query;
  uint lane = slot % PANEL_ROWS;
  uint stop = listed_place(starts, panel_count, end);
  uint visits = 0;
  for (uint entry = listed_place(starts, panel_count, first) + slot / PANEL_ROWS; entry < stop;
       entry += slots / PANEL_ROWS) {
    uint3 own = vload3(entry, work + work_offset);
    visits += lane == 0 ? 1 : 0;
    // A threshold of infinity says that a query is not searched.
    if ((own.y >> lane & 1) == 0 || !(threshold < INFINITY)) continue;
    uint place = own.x * PANEL_ROWS + lane;
    __global const uchar *numbers = numbers_of(groups + groups_offset, place, blocks);
    float score = 0.0f;
    for (uint m = 0; m < subspaces; m++) score += tables[m * codewords + number_at(numbers, m, place)];
#ifdef FACTORS
    float2 factor = vload2(place, factors + factors_offset);
    score = score * factor.x;
    float shift = weights[weights_offset + query] * factor.y;
    score = score + shift;
#endif
#ifdef TERMS
    score = score + terms[terms_offset + own.z];
#endif
    // There is only one zero, which ties with itself.
    float value = negated != 0 ? 0.0f - score : score + 0.0f;
    if (!(value < threshold)) append_row(lists, counts, capacity, value, first_place + place);
  }
  add_tally(tallies + tallies_offset + TALLY_VISITS, visits);
}

__kernel void codes_listed_keys(__global ulong *restrict lists, ulong lists_offset,
                                __global const uint *restrict counts, ulong counts_offset,
                                __global uint *restrict tallies, ulong tallies_offset,
                                uint query_count, uint capacity, uint limit, uint slots) {
  uint slot = (uint)get_global_id(0);
  uint query = (uint)get_global_id(1);
  if (slot >= slots || query >= query_count) return;
  uint count = min(counts[counts_offset + query], capacity);
  if (count <= limit) return;
  uint scored = 0;
  lists += lists_offset + (size_t)query * capacity;
  for (uint i = slot; i < count; i += slots) {
    float score = entry_value(lists[i]);
    lists[i] = (ulong)score_rank(score, METRIC_INNER_PRODUCT) << 32 | entry_row(lists[i]);
    scored++;
  }
  add_tally(tallies + tallies_offset + TALLY_SCORED, scored);
}
