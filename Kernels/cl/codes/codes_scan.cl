// Scans codes of 4 bits by tables of four queries in words; `codes_common.cl` has what that is.
//
// Layout
//   groups  [group][block][16][4], CodeGroups.swift: word j of a block has four subspaces of row j
//           in the low halves of its bytes and of row j + 16 in the high ones. A group is a panel
//           of 32 rows.
//   words   [four queries][subspace][16]: byte i of a word is query i's
// Subspaces are padded to whole blocks, with zeros.
//
// BODY_WIDE: a work item takes `slice` groups, which stay in its cache, against `query_blocks`
//   times 4 queries. A block of codes fills one register, and so does a subspace's table of 16
//   words. Work-group size 1. global = (slices, groups of fours)
// BODY_TILE: a work-group takes GROUP / 4 groups of rows against four queries, the words of BLOCKS
//   blocks at a time lying in local memory: equal words are broadcast, and distinct ones are in
//   distinct banks. Neighbouring items read neighbouring words of a block, and each takes as many
//   groups as ITEM_GROUPS.
//   global = (fours * items, groups of rows / (GROUP / 4))
//
// Macro BLOCKS: tile: blocks in local memory at a time; each takes 256 bytes (16)

#define WIDTH 16u

#ifdef BODY_WIDE

#define CODES uint16
#define ENTRIES uint16

// Sixteen look-ups in a table of sixteen words. The standard's `shuffle` says the same, but becomes
// sixteen loads; this is one instruction, which makes the whole kernel six times as fast.
#if defined(__clang__) && defined(__AVX512F__)
#define LOOK_UP(table, numbers) __builtin_shufflevector(table, numbers)
#else
#define LOOK_UP(table, numbers) shuffle(table, numbers)
#endif

// Appends those of sixteen rows that pass.
static inline void append_passing(ushort16 sums, ushort largest, float2 line, uint row, uint rows,
                                  __global ulong *list, __global uint *count, uint capacity) {
  ushort each[WIDTH];
  vstore16(sums, 0, each);
  for (uint lane = 0; lane < WIDTH; lane++) {
    if (each[lane] <= largest && (rows >> lane & 1) != 0) {
      append_row(list, count, capacity, fma((float)each[lane], line.x, line.y), row + lane);
    }
  }
}

__kernel void codes_scan(SCAN_PARAMETERS) {
  groups += groups_offset;
  lines += lines_offset;
  bounds += bounds_offset;
  thresholds += thresholds_offset;
  uint slice_first = first + (uint)get_global_id(0) * slice;
  uint slice_end = min(slice_first + slice, end);
  uint four_first = (uint)get_global_id(1) * query_blocks;
  uint four_end = min(four_first + query_blocks, (query_count + FOUR - 1) / FOUR);
  uint visits = 0;
  for (uint four = four_first; four < four_end; four++) {
    uint query = four * FOUR;
    int largest[FOUR];
    bool searched = false;
    for (uint i = 0; i < FOUR; i++) {
      largest[i] = largest_passing(query + i, query_count, lines, bounds, thresholds);
      searched |= largest[i] >= 0;
    }
    if (!searched) {
      visits += slice_end - slice_first;
      continue;
    }
    __global const uint16 *tables = words + words_offset + (size_t)four * blocks * 4;
    for (uint place = slice_first; place < slice_end; place++) {
      uint2 panel_rows = PANEL_AT(place);
      __global const uint16 *codes = groups + (size_t)panel_rows.x * blocks;
      // Queries 0 and 2 are in the halves of the even sums, 1 and 3 in those of the odd ones.
      uint16 even_low = (uint16)(0), even_high = (uint16)(0);
      uint16 odd_low = (uint16)(0), odd_high = (uint16)(0);
      uint block = 0;
#pragma unroll 1
      for (; block < blocks; block++) {
#pragma unroll
        for (uint subspace = 0; subspace < 4; subspace += 2) {
          uint16 numbers = codes[block] >> subspace * 8;
          uint16 table = tables[block * 4 + subspace], next_table = tables[block * 4 + subspace + 1];
          uint16 low = LOOK_UP(table, numbers & 15u) + LOOK_UP(next_table, numbers >> 8 & 15u);
          uint16 high =
              LOOK_UP(table, numbers >> 4 & 15u) + LOOK_UP(next_table, numbers >> 12 & 15u);
          even_low += low & HALVES;
          even_high += high & HALVES;
          odd_low += low >> 8 & HALVES;
          odd_high += high >> 8 & HALVES;
        }
      }
#pragma unroll
      for (uint i = 0; i < FOUR; i++) {
        uint shift = i / 2 * 16;
        ushort16 low = convert_ushort16((i % 2 == 0 ? even_low : odd_low) >> shift & 0xFFFFu);
        ushort16 high = convert_ushort16((i % 2 == 0 ? even_high : odd_high) >> shift & 0xFFFFu);
        if (largest[i] < 0) continue;
        ushort most = (ushort)largest[i];
        uint row = first_row + panel_rows.x * PANEL_ROWS;
        __global ulong *list = lists + lists_offset + (size_t)(query + i) * capacity;
        __global uint *count = counts + counts_offset + query + i;
        float2 line = vload2(query + i, lines);
        if (any(low <= (ushort16)(most))) {
          append_passing(low, most, line, row, panel_rows.y, list, count, capacity);
        }
        if (any(high <= (ushort16)(most))) {
          append_passing(high, most, line, row + WIDTH, panel_rows.y >> WIDTH, list, count,
                         capacity);
        }
      }
      visits += block >= blocks ? 1 : 0;
    }
  }
  add_tally(tallies + tallies_offset + TALLY_VISITS, visits);
}

#else

#define CODES uint
#define ENTRIES uint
#ifndef BLOCKS
#define BLOCKS 16
#endif
#define ITEM_GROUPS 4u

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void codes_scan(SCAN_PARAMETERS) {
  __local uint tables[BLOCKS * 4 * WIDTH];
  __local int largest[FOUR];
  lines += lines_offset;
  uint item = get_local_id(0), lane = item % WIDTH;
  uint four = (uint)group_index(0), query = four * FOUR;
  uint place_first = first + (uint)group_index(1) * (GROUP / WIDTH * ITEM_GROUPS);
  uint visits = min(place_first + GROUP / WIDTH * ITEM_GROUPS, end) - place_first;
  tallies += tallies_offset + TALLY_VISITS;
  if (!find_largest(largest, query, query_count, lines, bounds + bounds_offset,
                    thresholds + thresholds_offset)) {
    if (item == 0) add_tally(tallies, visits);
    return;
  }

  uint place = place_first + item / WIDTH;
  uint panel[ITEM_GROUPS], rows[ITEM_GROUPS];
  __global const uint *codes[ITEM_GROUPS];
  // Row `lane` of each group, then row `lane` + 16.
  uint even[ITEM_GROUPS][2], odd[ITEM_GROUPS][2];
#pragma unroll
  for (uint g = 0; g < ITEM_GROUPS; g++) {
    // Past the end of the launch there is a group to read, no row of which may be hit.
    uint own = place + g * (GROUP / WIDTH);
    uint2 panel_rows = PANEL_AT(min(own, end - 1));
    panel[g] = panel_rows.x;
    rows[g] = own < end ? panel_rows.y >> lane & 0x10001u : 0;
    codes[g] = groups + groups_offset + (size_t)panel_rows.x * blocks * WIDTH + lane;
    even[g][0] = even[g][1] = odd[g][0] = odd[g][1] = 0;
  }
  words += words_offset + (size_t)four * blocks * 4 * WIDTH;
  uint start = 0;
  for (; start < blocks; start += BLOCKS) {
    uint here = min(blocks - start, (uint)BLOCKS);
    for (uint i = item; i < here * 4 * WIDTH; i += GROUP) tables[i] = words[start * 4 * WIDTH + i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint block = 0; block < here; block++) {
      __local const uint *table = tables + block * 4 * WIDTH;
#pragma unroll
      for (uint g = 0; g < ITEM_GROUPS; g++) {
        uint numbers = codes[g][(start + block) * WIDTH];
#pragma unroll
        for (uint upper = 0; upper < 2; upper++) {
          uint own = numbers >> upper * 4;
          uint sum = table[own & 15u] + table[WIDTH + (own >> 8 & 15u)];
          uint next_sum = table[2 * WIDTH + (own >> 16 & 15u)] + table[3 * WIDTH + (own >> 24 & 15u)];
          even[g][upper] += (sum & HALVES) + (next_sum & HALVES);
          odd[g][upper] += (sum >> 8 & HALVES) + (next_sum >> 8 & HALVES);
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  lists += lists_offset;
  counts += counts_offset;
#pragma unroll
  for (uint g = 0; g < ITEM_GROUPS; g++) {
#pragma unroll
    for (uint upper = 0; upper < 2; upper++) {
      if ((rows[g] >> upper * 16 & 1) == 0) continue;
      append_to_four(even[g][upper], odd[g][upper], largest, query,
                     first_row + panel[g] * PANEL_ROWS + upper * WIDTH + lane, lines, lists, counts,
                     capacity);
    }
  }
  if (item == 0 && start >= blocks) add_tally(tallies, visits);
}

#endif
