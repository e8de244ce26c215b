// Scores rows against queries in Float32 and appends those that may be among the k best to the
// queries' lists: rows with v + e >= threshold. Values that do not pass are never written.
//
// `search_common.cl` has the layouts and the bound, `search_places.cl` the rows a launch covers.
//
// BODY_WIDE: a work item takes `slice` panels, which stay in its cache, against `blocks` blocks of
//   8 queries: 8 x 32 values in sixteen float16 accumulators. Work-group size 1.
//   global = (slices, groups of blocks)
// BODY_TILE: a work-group takes TILE_QUERIES x TILE_ROWS values through local memory, each item
//   ITEM_QUERIES x ITEM_ROWS of them, TILE_DEPTH dimensions at a time. TILE_ROWS is a multiple of
//   32, TILE_QUERIES of 8, with LISTS one block of them, the items' counts of 4.
//   global = (tiles of queries * items, tiles of panels)

#define PACKED float

// Tells whether any of these queries is searched at all: a threshold of infinity says that one is
// not.
static inline bool any_searched(__global const float *thresholds, uint first, uint end) {
  bool searched = false;
  for (uint query = first; query < end; query++) searched |= thresholds[query] < INFINITY;
  return searched;
}

#ifdef BODY_WIDE

static inline void append_passing(float16 low, float16 high, float limit, uint row, uint rows,
                                  __global ulong *list, __global uint *count, uint capacity) {
  float values[32];
  vstore16(low, 0, values);
  vstore16(high, 1, values);
  for (uint lane = 0; lane < PANEL_ROWS; lane++) {
    if (!(values[lane] < limit) && (rows >> lane & 1) != 0) {
      append_row(list, count, capacity, values[lane], row + lane);
    }
  }
}

__kernel void search_filter(FILTER_PARAMETERS, uint slice, uint blocks) {
  ADD_OFFSETS;
  uint block_first = (uint)get_global_id(1) * blocks;
  uint block_end = min(block_first + blocks, (query_count + BLOCK_QUERIES - 1) / BLOCK_QUERIES);
  uint visits = 0;
  for (uint block = block_first; block < block_end; block++) {
    uint query = block * BLOCK_QUERIES;
    uint place_end = END_PLACE(block);
    uint slice_first = min(FIRST_PLACE(block) + (uint)get_global_id(0) * slice, place_end);
    uint slice_end = min(slice_first + slice, place_end);
    if (!any_searched(thresholds, query, query + BLOCK_QUERIES)) {
      visits += slice_end - slice_first;
      continue;
    }
    __global const float *q = queries + (size_t)query * dimension;
    for (uint place = slice_first; place < slice_end; place++) {
      uint2 panel_rows = PANEL_AT(place);
      uint panel = panel_rows.x, looking = QUERIES_AT(place);
      __global const float *x = panels + (size_t)panel * dimension * PANEL_ROWS;
      float16 low[8], high[8];
#pragma unroll
      for (uint i = 0; i < 8; i++) low[i] = high[i] = (float16)(0.0f);
      uint d = 0;
#pragma unroll 1
      for (; d < dimension; d++) {
        float16 x_low = vload16(0, x + (size_t)d * PANEL_ROWS);
        float16 x_high = vload16(1, x + (size_t)d * PANEL_ROWS);
#pragma unroll
        for (uint i = 0; i < 8; i++) {
          float16 value = (float16)(q[(size_t)d * BLOCK_QUERIES + i]);
          low[i] = MULTIPLY_ADD(value, x_low, low[i]);
          high[i] = MULTIPLY_ADD(value, x_high, high[i]);
        }
      }
      __global const float *term = terms + (size_t)panel * 2 * PANEL_ROWS;
      float16 scale_low = vload16(0, term), scale_high = vload16(1, term);
      float16 offset_low = vload16(2, term), offset_high = vload16(3, term);
      float2 lengths = vload2(panel, panel_lengths);
#pragma unroll
      for (uint i = 0; i < 8; i++) {
        float16 v_low = fma(low[i], scale_low, offset_low);
        float16 v_high = fma(high[i], scale_high, offset_high);
        float4 bound = vload4(query + i, bounds);
        float limit = thresholds[query + i] - error_bound(bound, square, lengths);
        if (!all((v_low < (float16)(limit)) & (v_high < (float16)(limit))) &&
            query + i < query_count && (looking >> i & 1) != 0) {
          append_passing(v_low, v_high, limit, first_row + panel * PANEL_ROWS, panel_rows.y,
                         lists + (size_t)(query + i) * capacity, counts + query + i, capacity);
        }
      }
      visits += d >= dimension ? 1 : 0;
    }
  }
  add_tally(tallies + TALLY_VISITS, visits);
}

#else

#define QUERY_GROUPS (ITEM_QUERIES / 4u)
#define ROW_GROUPS (ITEM_ROWS / 4u)
#define ITEMS_ACROSS (TILE_ROWS / ITEM_ROWS)
#define TILE_ITEMS (ITEMS_ACROSS * (TILE_QUERIES / ITEM_QUERIES))
#define TILE_BLOCKS (TILE_QUERIES / BLOCK_QUERIES)
#define TILE_PANELS (TILE_ROWS / PANEL_ROWS)
#undef LOCAL_X
#define LOCAL_X TILE_ITEMS

__kernel __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1))) void search_filter(
    FILTER_PARAMETERS) {
  __local float q[TILE_DEPTH][TILE_QUERIES];
  __local float x[TILE_DEPTH][TILE_ROWS];
  ADD_OFFSETS;
  uint item = get_local_id(0);
  // An item's rows and queries come in groups of 4, the groups spread over the tile, so that
  // neighbouring items read neighbouring words of local memory.
  uint across = item % ITEMS_ACROSS * 4;
  uint down = item / ITEMS_ACROSS * 4;
  uint block_first = (uint)group_index(0) * TILE_BLOCKS;
  uint block_count = (query_count + BLOCK_QUERIES - 1) / BLOCK_QUERIES;
  uint place_first = FIRST_PLACE(block_first) + (uint)group_index(1) * TILE_PANELS;
  uint place_end = END_PLACE(block_first);
  if (place_first >= place_end) return;
  uint tile_end = min((block_first + TILE_BLOCKS) * BLOCK_QUERIES, query_count);
  uint visits = (min(block_first + TILE_BLOCKS, block_count) - block_first) *
                (min(place_first + TILE_PANELS, place_end) - place_first);
  if (!any_searched(thresholds, block_first * BLOCK_QUERIES, tile_end)) {
    if (item == 0) add_tally(tallies + TALLY_VISITS, visits);
    return;
  }
  float4 dot[ITEM_QUERIES][ROW_GROUPS];
#pragma unroll
  for (uint i = 0; i < ITEM_QUERIES; i++) {
#pragma unroll
    for (uint g = 0; g < ROW_GROUPS; g++) dot[i][g] = (float4)(0.0f);
  }
  uint depth = 0;
  for (; depth < dimension; depth += TILE_DEPTH) {
    for (uint part = item; part < TILE_BLOCKS * TILE_DEPTH * 2; part += TILE_ITEMS) {
      uint block = part / (TILE_DEPTH * 2), d = part / 2 % TILE_DEPTH, column = part % 2 * 4;
      float4 values = (float4)(0.0f);
      if (block_first + block < block_count && depth + d < dimension) {
        values = vload4(0, queries + ((size_t)(block_first + block) * dimension + depth + d) *
                                         BLOCK_QUERIES + column);
      }
      vstore4(values, 0, &q[d][block * BLOCK_QUERIES + column]);
    }
    for (uint part = item; part < TILE_PANELS * TILE_DEPTH * 8; part += TILE_ITEMS) {
      uint panel = part / (TILE_DEPTH * 8), d = part / 8 % TILE_DEPTH, column = part % 8 * 4;
      float4 values = (float4)(0.0f);
      if (place_first + panel < place_end && depth + d < dimension) {
        size_t source = PANEL_AT(place_first + panel).x;
        values = vload4(0, panels + (source * dimension + depth + d) * PANEL_ROWS + column);
      }
      vstore4(values, 0, &x[d][panel * PANEL_ROWS + column]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 4
    for (uint d = 0; d < TILE_DEPTH; d++) {
      float4 row[ROW_GROUPS];
#pragma unroll
      for (uint g = 0; g < ROW_GROUPS; g++) {
        row[g] = vload4(0, &x[d][g * (TILE_ROWS / ROW_GROUPS) + across]);
      }
#pragma unroll
      for (uint group = 0; group < QUERY_GROUPS; group++) {
        float4 query = vload4(0, &q[d][group * (TILE_QUERIES / QUERY_GROUPS) + down]);
#pragma unroll
        for (uint g = 0; g < ROW_GROUPS; g++) {
          dot[group * 4 + 0][g] = MULTIPLY_ADD((float4)(query.x), row[g], dot[group * 4 + 0][g]);
          dot[group * 4 + 1][g] = MULTIPLY_ADD((float4)(query.y), row[g], dot[group * 4 + 1][g]);
          dot[group * 4 + 2][g] = MULTIPLY_ADD((float4)(query.z), row[g], dot[group * 4 + 2][g]);
          dot[group * 4 + 3][g] = MULTIPLY_ADD((float4)(query.w), row[g], dot[group * 4 + 3][g]);
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (uint g = 0; g < ROW_GROUPS; g++) {
    uint column = g * (TILE_ROWS / ROW_GROUPS) + across;
    uint place = place_first + column / PANEL_ROWS;
    if (place >= place_end) continue;
    uint2 panel_rows = PANEL_AT(place);
    uint panel = panel_rows.x;
    uint lane = column % PANEL_ROWS;
    uint row = first_row + panel * PANEL_ROWS + lane;
    uint rows = panel_rows.y >> lane, looking = QUERIES_AT(place);
    if ((rows & 15) == 0) continue;
    __global const float *term = terms + (size_t)panel * 2 * PANEL_ROWS + lane;
    float4 scale = vload4(0, term);
    float4 offset = vload4(0, term + PANEL_ROWS);
    float2 lengths = vload2(panel, panel_lengths);
#pragma unroll
    for (uint i = 0; i < ITEM_QUERIES; i++) {
      uint line = i / 4 * (TILE_QUERIES / QUERY_GROUPS) + down + i % 4;
      uint query = block_first * BLOCK_QUERIES + line;
      if (query >= query_count || (looking >> line % BLOCK_QUERIES & 1) == 0) continue;
      float4 v = fma(dot[i][g], scale, offset);
      float limit = thresholds[query] - error_bound(vload4(query, bounds), square, lengths);
      if (all(v < (float4)(limit))) continue;
      __global ulong *list = lists + (size_t)query * capacity;
      __global uint *count = counts + query;
      if (!(v.x < limit) && (rows & 1) != 0) append_row(list, count, capacity, v.x, row);
      if (!(v.y < limit) && (rows & 2) != 0) append_row(list, count, capacity, v.y, row + 1);
      if (!(v.z < limit) && (rows & 4) != 0) append_row(list, count, capacity, v.z, row + 2);
      if (!(v.w < limit) && (rows & 8) != 0) append_row(list, count, capacity, v.w, row + 3);
    }
  }
  if (item == 0 && depth >= dimension) add_tally(tallies + TALLY_VISITS, visits);
}

#endif
