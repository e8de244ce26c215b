// Sums the bytes of rounded tables over codes of 4 bits, and appends the rows that may be among the
// k best to the queries' lists: those with v + e >= threshold. Sums that do not pass are never
// written.
//
//   U = sum over parts m of byte[q][m][code[r][m]],   v = fma(U, scale[q], offset[q])
//
// `search_common.cl` has lists, bounds and states, `search_places.cl` the rows a launch covers.
// RoundedTables.swift says what U proves, CodeTables.swift what v and e are.
//
// Layout
//   groups  [group][part][16], CodeGroups.swift: byte j of a part has the numbers of rows j and
//           j + 16. A group is a panel of 32 rows.
//   words   [block of 4 queries][part][16]: byte i of a word is query i's. Bytes are at most 127,
//           so two words add up without a carry; sums of words are kept as two halves of 16 bits
//           in each of two words, since 512 parts of 127 fit them.
//   lines   [query][2]: scale, which is not positive, and offset
// Parts are even in number, padded with zeros.
//
// BODY_WIDE: a work item takes `slice` groups, which stay in its cache, against `blocks` blocks of
//   4 queries. A part's table of 16 words fills one register. Work-group size 1.
//   global = (slices, groups of blocks)
// BODY_TILE: a work-group takes GROUP / 4 groups of rows against one block of queries, the words of
//   PARTS parts at a time lying in local memory: equal words are broadcast, and distinct ones are
//   in distinct banks. An item takes 8 rows: four bytes of each part.
//   global = (blocks * items, groups of rows / (GROUP / 4))
//
// Macro PARTS: tile: parts in local memory at a time, even; each takes 64 bytes (64)

#define BLOCK 4u
#define WIDTH 16u
#define HALVES 0x00FF00FFu

// What an item takes at a time: of a group's part, and of a part's table.
#ifdef BODY_WIDE
#define CODES uchar16
#define TABLE uint16
#define SLICE_PARAMETERS , uint slice, uint blocks
#else
#define CODES uchar4
#define TABLE uint
#define SLICE_PARAMETERS
#endif

#define SCAN_PARAMETERS                                                                            \
  __global const CODES *restrict groups, ulong groups_offset,                                      \
      __global const TABLE *restrict words, ulong words_offset,                                    \
      __global const float *restrict lines, ulong lines_offset,                                    \
      __global const float *restrict bounds, ulong bounds_offset,                                  \
      __global const float *restrict thresholds, ulong thresholds_offset,                          \
      __global ulong *restrict lists, ulong lists_offset, __global uint *restrict counts,          \
      ulong counts_offset, uint parts, uint query_count, uint capacity, uint first_row,            \
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

#ifdef BODY_WIDE

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
  uint block_first = (uint)get_global_id(1) * blocks;
  uint block_end = min(block_first + blocks, (query_count + BLOCK - 1) / BLOCK);
  for (uint block = block_first; block < block_end; block++) {
    uint query = block * BLOCK;
    int largest[BLOCK];
    bool searched = false;
    for (uint i = 0; i < BLOCK; i++) {
      largest[i] = largest_passing(query + i, query_count, lines, bounds, thresholds);
      searched |= largest[i] >= 0;
    }
    if (!searched) continue;
    __global const uint16 *tables = words + words_offset + (size_t)block * parts;
    for (uint place = slice_first; place < slice_end; place++) {
      uint2 panel_rows = PANEL_AT(place);
      __global const uchar16 *codes = groups + (size_t)panel_rows.x * parts;
      // Queries 0 and 2 are in the halves of the even sums, 1 and 3 in those of the odd ones.
      uint16 even_low = (uint16)(0), even_high = (uint16)(0);
      uint16 odd_low = (uint16)(0), odd_high = (uint16)(0);
#pragma unroll 1
      for (uint part = 0; part < parts; part += 2) {
        uint16 numbers = convert_uint16(codes[part]);
        uint16 next_numbers = convert_uint16(codes[part + 1]);
        uint16 table = tables[part], next_table = tables[part + 1];
        uint16 low = LOOK_UP(table, numbers & 15u) + LOOK_UP(next_table, next_numbers & 15u);
        uint16 high = LOOK_UP(table, numbers >> 4) + LOOK_UP(next_table, next_numbers >> 4);
        even_low += low & HALVES;
        even_high += high & HALVES;
        odd_low += low >> 8 & HALVES;
        odd_high += high >> 8 & HALVES;
      }
#pragma unroll
      for (uint i = 0; i < BLOCK; i++) {
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
    }
  }
}

#else

#ifndef PARTS
#define PARTS 64
#endif
#define ITEMS_PER_GROUP 4u

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void codes_scan(SCAN_PARAMETERS) {
  __local uint tables[PARTS * WIDTH];
  __local int largest[BLOCK];
  lines += lines_offset;
  uint item = get_local_id(0), lane = item % ITEMS_PER_GROUP;
  uint block = (uint)group_index(0), query = block * BLOCK;
  uint place = first + (uint)group_index(1) * (GROUP / ITEMS_PER_GROUP) + item / ITEMS_PER_GROUP;
  if (item < BLOCK) {
    largest[item] = largest_passing(query + item, query_count, lines, bounds + bounds_offset,
                                    thresholds + thresholds_offset);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (max(max(largest[0], largest[1]), max(largest[2], largest[3])) < 0) return;

  // Past the end of the launch there is a group to read, no row of which may be hit.
  uint2 panel_rows = PANEL_AT(min(place, end - 1));
  uint rows = place < end ? panel_rows.y : 0;
  __global const uchar4 *codes =
      groups + groups_offset + (size_t)panel_rows.x * parts * ITEMS_PER_GROUP + lane;
  words += words_offset + (size_t)block * parts * WIDTH;
  // Four rows of the low halves, then four of the high ones.
  uint even[8], odd[8];
#pragma unroll
  for (uint i = 0; i < 8; i++) even[i] = odd[i] = 0;
  for (uint start = 0; start < parts; start += PARTS) {
    uint here = min(parts - start, (uint)PARTS);
    for (uint i = item; i < here * WIDTH; i += GROUP) tables[i] = words[start * WIDTH + i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint part = 0; part < here; part += 2) {
      __local const uint *table = tables + part * WIDTH, *next_table = table + WIDTH;
      uchar4 pair[2] = {codes[(start + part) * ITEMS_PER_GROUP],
                        codes[(start + part + 1) * ITEMS_PER_GROUP]};
      uint4 numbers = convert_uint4(pair[0]), next_numbers = convert_uint4(pair[1]);
      uint4 low = numbers & 15u, next_low = next_numbers & 15u;
      uint4 high = numbers >> 4, next_high = next_numbers >> 4;
      uint sums[8] = {table[low.x] + next_table[next_low.x],
                      table[low.y] + next_table[next_low.y],
                      table[low.z] + next_table[next_low.z],
                      table[low.w] + next_table[next_low.w],
                      table[high.x] + next_table[next_high.x],
                      table[high.y] + next_table[next_high.y],
                      table[high.z] + next_table[next_high.z],
                      table[high.w] + next_table[next_high.w]};
#pragma unroll
      for (uint i = 0; i < 8; i++) {
        even[i] += sums[i] & HALVES;
        odd[i] += sums[i] >> 8 & HALVES;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (uint i = 0; i < BLOCK; i++) {
#pragma unroll
    for (uint j = 0; j < 8; j++) {
      int sum = (int)((i % 2 == 0 ? even[j] : odd[j]) >> i / 2 * 16 & 0xFFFFu);
      uint row = j / 4 * WIDTH + lane * 4 + j % 4;
      if (sum > largest[i] || (rows >> row & 1) == 0) continue;
      float2 line = vload2(query + i, lines);
      append_row(lists + lists_offset + (size_t)(query + i) * capacity,
                 counts + counts_offset + query + i, capacity, fma((float)sum, line.x, line.y),
                 first_row + panel_rows.x * PANEL_ROWS + row);
    }
  }
}

#endif
