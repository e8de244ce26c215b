// Computes the exact scores of the rows that a scan of codes lets pass; `codes_scan.cl` and
// `codes_scan_bytes.cl` have the layout of groups.
//
// codes_rescore  gives the entries of one segment's rows their score: they become keys, in place.
//
//     key = rank of the score << 32 | row
//     score = sum over m, rising, of tables[q][m][code[r][m]]
//
//                The additions are those of `lookup_scores.cl`, so every device gets the same bits.
//                Item = every `slots`-th entry of one list; global = (slots, queries). Lists of at
//                most `limit` entries are left alone.
// codes_unpack   codes[i][m] = number m of row first_row + i, a byte each. Item = one row.
//
// Macro BITS: of a number, 4 or 8

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

__kernel void codes_unpack(__global const uchar *restrict groups, ulong groups_offset,
                           __global uchar *restrict codes, ulong codes_offset, uint subspaces,
                           uint blocks, uint first_row, uint row_count) {
  uint row = (uint)get_global_id(0);
  if (row >= row_count) return;
  uint place = first_row + row;
  __global const uchar *numbers = numbers_of(groups + groups_offset, place, blocks);
  codes += codes_offset + (size_t)row * subspaces;
  for (uint m = 0; m < subspaces; m++) codes[m] = (uchar)number_at(numbers, m, place);
}
