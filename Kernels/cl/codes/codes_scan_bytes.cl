// Scans codes of 8 bits by tables whose entries have a byte for each of many queries;
// `codes_common.cl` has what that is.
//
// Layout
//   groups  [group][subspace][64], CodeGroups.swift: the numbers of 64 rows, two panels, in
//           one subspace, which are a block.
//   words   wide: [32 queries][subspace][256][32], tile: [four queries][subspace][256][4]
//
// BODY_WIDE: a work item takes `slice` panels, whose sums stay in its cache, against `query_blocks`
//   times 32 queries. An entry fills one register, so a look-up is a load for all of its queries:
//   this is six times as fast as words of four queries. Entries of SUBSPACES subspaces at a time
//   stay in its cache.
//   Work-group size 1. global = (slices, groups of blocks of queries)
// BODY_TILE: a work-group takes GROUP / 8 * ITEM_PANELS panels against four queries, the words of
//   SUBSPACES subspaces at a time lying in local memory. An item takes four rows, a word of codes,
//   of each of its panels; neighbours take neighbouring words.
//   global = (fours * items, panels / (GROUP / 8 * ITEM_PANELS))
//
// Macros
//   SLICE  wide: the most panels in a slice; each takes 2 KiB of private memory (16)
//   SUBSPACES  subspaces at a time, an even number. wide: each takes 8 KiB (8).
//          tile: each takes 1 KiB of local memory (8)

#define ENTRY_COUNT 256u
#define GROUP_PANELS 2u
// Of a panel's subspace, and the step to the next subspace.
#define SUBSPACE_BYTES (GROUP_PANELS * PANEL_ROWS)

#ifdef BODY_WIDE

#define CODES uchar
#define ENTRIES ushort16
#define BLOCK 32u

#ifndef SLICE
#define SLICE 16
#endif
#ifndef SUBSPACES
#define SUBSPACES 8
#endif

// The sums so far of the rows of a panel: for each row, those of the even queries and of the odd
// ones.
typedef struct {
  ushort16 even, odd;
} Sums;

// Adds up to SUBSPACES subspaces of a panel's rows.
static inline void add_subspaces(Sums *sums, __global const uchar *codes,
                                 __global const ushort16 *table, uint subspaces, bool is_first) {
  for (uint row = 0; row < PANEL_ROWS; row++) {
    ushort16 even = (ushort16)(0), odd = (ushort16)(0);
    if (!is_first) {
      even = sums[row].even;
      odd = sums[row].odd;
    }
    for (uint subspace = 0; subspace < subspaces; subspace += 2) {
      ushort16 pair = table[subspace * ENTRY_COUNT + codes[subspace * SUBSPACE_BYTES + row]];
      if (subspace + 1 < subspaces) {
        pair += table[(subspace + 1) * ENTRY_COUNT + codes[(subspace + 1) * SUBSPACE_BYTES + row]];
      }
      even += pair & (ushort16)(0xFF);
      odd += pair >> (ushort16)(8);
    }
    sums[row].even = even;
    sums[row].odd = odd;
  }
}

// Appends a row to the lists of those of 32 queries that it passes.
static inline void append_passing(Sums sums, const int *largest, uint query, uint row,
                                  __global const float *lines, __global ulong *lists,
                                  __global uint *counts, uint capacity) {
  ushort each[2][BLOCK / 2];
  vstore16(sums.even, 0, each[0]);
  vstore16(sums.odd, 0, each[1]);
  for (uint i = 0; i < BLOCK; i++) {
    int sum = each[i % 2][i / 2];
    if (sum > largest[i]) continue;
    float2 line = vload2(query + i, lines);
    append_row(lists + (size_t)(query + i) * capacity, counts + query + i, capacity,
               fma((float)sum, line.x, line.y), row);
  }
}

__kernel void codes_scan_bytes(SCAN_PARAMETERS) {
  groups += groups_offset;
  lines += lines_offset;
  bounds += bounds_offset;
  thresholds += thresholds_offset;
  lists += lists_offset;
  counts += counts_offset;
  uint slice_first = first + (uint)get_global_id(0) * slice;
  uint slice_end = min(slice_first + slice, end);
  uint block_first = (uint)get_global_id(1) * query_blocks;
  uint block_end = min(block_first + query_blocks, (query_count + BLOCK - 1) / BLOCK);
  Sums sums[SLICE * PANEL_ROWS];
  uint visits = 0;
  for (uint block = block_first; block < block_end; block++) {
    uint query = block * BLOCK;
    int largest[BLOCK];
    // A sum passes where it is at most `most` and `searched` has all bits set.
    ushort most[2][BLOCK / 2], searched[2][BLOCK / 2];
    bool is_searched = false;
    for (uint i = 0; i < BLOCK; i++) {
      largest[i] = largest_passing(query + i, query_count, lines, bounds, thresholds);
      most[i % 2][i / 2] = (ushort)max(largest[i], 0);
      searched[i % 2][i / 2] = largest[i] < 0 ? 0 : 0xFFFF;
      is_searched |= largest[i] >= 0;
    }
    if (!is_searched) {
      visits += slice_end - slice_first;
      continue;
    }
    __global const ushort16 *tables = words + words_offset + (size_t)block * blocks * ENTRY_COUNT;
    uint start = 0;
    for (; start < blocks; start += SUBSPACES) {
      uint here = min(blocks - start, (uint)SUBSPACES);
      for (uint place = slice_first; place < slice_end; place++) {
        uint panel = PANEL_AT(place).x;
        __global const uchar *codes =
            groups + ((size_t)(panel / GROUP_PANELS) * blocks + start) * SUBSPACE_BYTES +
            panel % GROUP_PANELS * PANEL_ROWS;
        Sums *own = sums + (place - slice_first) * PANEL_ROWS;
        __global const ushort16 *table = tables + start * ENTRY_COUNT;
        // The number of subspaces is mostly known, so that the loop over them is unrolled.
        if (here == SUBSPACES) {
          add_subspaces(own, codes, table, SUBSPACES, start == 0);
        } else {
          add_subspaces(own, codes, table, here, start == 0);
        }
      }
    }
    short16 even_searched = as_short16(vload16(0, searched[0]));
    short16 odd_searched = as_short16(vload16(0, searched[1]));
    ushort16 even_most = vload16(0, most[0]), odd_most = vload16(0, most[1]);
    for (uint place = slice_first; place < slice_end; place++) {
      uint2 panel_rows = PANEL_AT(place);
      for (uint row = 0; row < PANEL_ROWS; row++) {
        Sums own = sums[(place - slice_first) * PANEL_ROWS + row];
        short16 passes =
            ((own.even <= even_most) & even_searched) | ((own.odd <= odd_most) & odd_searched);
        if (any(passes) && (panel_rows.y >> row & 1) != 0) {
          append_passing(own, largest, query, first_row + panel_rows.x * PANEL_ROWS + row, lines,
                         lists, counts, capacity);
        }
      }
      visits += start >= blocks ? 1 : 0;
    }
  }
  add_tally(tallies + tallies_offset + TALLY_VISITS, visits);
}

#else

#define CODES uint
#define ENTRIES uint

#ifndef SUBSPACES
#define SUBSPACES 8
#endif
#define ITEM_PANELS 4u
// Items that share a panel.
#define SHARE (PANEL_ROWS / FOUR)
#define SUBSPACE_WORDS (SUBSPACE_BYTES / 4)

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void codes_scan_bytes(SCAN_PARAMETERS) {
  __local uint tables[SUBSPACES * ENTRY_COUNT];
  __local int largest[FOUR];
  lines += lines_offset;
  uint item = get_local_id(0), lane = item % SHARE;
  uint four = (uint)group_index(0), query = four * FOUR;
  uint place_first = first + (uint)group_index(1) * (GROUP / SHARE * ITEM_PANELS);
  uint visits = min(place_first + GROUP / SHARE * ITEM_PANELS, end) - place_first;
  tallies += tallies_offset + TALLY_VISITS;
  if (!find_largest(largest, query, query_count, lines, bounds + bounds_offset,
                    thresholds + thresholds_offset)) {
    if (item == 0) add_tally(tallies, visits);
    return;
  }
  uint place = place_first + item / SHARE;
  uint panel[ITEM_PANELS], rows[ITEM_PANELS];
  __global const uint *codes[ITEM_PANELS];
  uint even[ITEM_PANELS][FOUR], odd[ITEM_PANELS][FOUR];
#pragma unroll
  for (uint p = 0; p < ITEM_PANELS; p++) {
    // Past the end of the launch there is a panel to read, no row of which may be hit.
    uint own = place + p * (GROUP / SHARE);
    uint2 panel_rows = PANEL_AT(min(own, end - 1));
    panel[p] = panel_rows.x;
    rows[p] = own < end ? panel_rows.y >> lane * FOUR : 0;
    codes[p] = groups + groups_offset + (size_t)(panel_rows.x / GROUP_PANELS) * blocks * SUBSPACE_WORDS +
               panel_rows.x % GROUP_PANELS * SHARE + lane;
#pragma unroll
    for (uint row = 0; row < FOUR; row++) even[p][row] = odd[p][row] = 0;
  }
  words += words_offset + (size_t)four * blocks * ENTRY_COUNT;
  uint start = 0;
  for (; start < blocks; start += SUBSPACES) {
    uint here = min(blocks - start, (uint)SUBSPACES);
    // An odd subspace is paired with one of zeros, and the last codes are read twice.
    for (uint i = item; i < (here + here % 2) * ENTRY_COUNT; i += GROUP) {
      tables[i] = i < here * ENTRY_COUNT ? words[start * ENTRY_COUNT + i] : 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint subspace = 0; subspace < here; subspace += 2) {
      __local const uint *table = tables + subspace * ENTRY_COUNT;
      uint at = (start + subspace) * SUBSPACE_WORDS;
      uint next_at = subspace + 1 < here ? at + SUBSPACE_WORDS : at;
#pragma unroll
      for (uint p = 0; p < ITEM_PANELS; p++) {
        uint numbers = codes[p][at], next_numbers = codes[p][next_at];
#pragma unroll
        for (uint row = 0; row < FOUR; row++) {
          uint sum = table[numbers >> row * 8 & 255u] +
                     table[ENTRY_COUNT + (next_numbers >> row * 8 & 255u)];
          even[p][row] += sum & HALVES;
          odd[p][row] += sum >> 8 & HALVES;
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  lists += lists_offset;
  counts += counts_offset;
#pragma unroll
  for (uint p = 0; p < ITEM_PANELS; p++) {
#pragma unroll
    for (uint row = 0; row < FOUR; row++) {
      if ((rows[p] >> row & 1) == 0) continue;
      append_to_four(even[p][row], odd[p][row], largest, query,
                     first_row + panel[p] * PANEL_ROWS + lane * FOUR + row, lines, lists, counts,
                     capacity);
    }
  }
  if (item == 0 && start >= blocks) add_tally(tallies, visits);
}

#endif
