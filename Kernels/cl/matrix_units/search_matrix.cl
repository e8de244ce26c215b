// Does the work of `search_filter.cl` on rows and queries rounded to halves or bytes
// (`search_round.cl`), with the matrix unit of the device (`matrix_units.cl`).
//
// A work-group takes TILE_QUERIES x TILE_ROWS values, SUBGROUPS_DOWN x SUBGROUPS_ACROSS groups of
// LANES items sharing them out; each group holds BLOCKS_DOWN x BLOCKS_ACROSS blocks of its unit. 64
// bytes of each line go through local memory at a time, the next 64 being on their way meanwhile.
// Values are never written, only rows with v + e >= threshold are, in the queries' lists.
//   global = (tiles of queries * items, tiles of panels)
//
// Macros
//   TILE_QUERIES, TILE_ROWS           multiples of 32 and of the groups' blocks
//   SUBGROUPS_DOWN, SUBGROUPS_ACROSS  how groups of lanes lie over queries and rows
//   and those of `matrix_units.cl` and `search_places.cl`

#define PACKED uint4
#define TILE_ITEMS (LANES * SUBGROUPS_DOWN * SUBGROUPS_ACROSS)
#define TILE_PANELS (TILE_ROWS / PANEL_ROWS)
#undef LOCAL_X
#define LOCAL_X TILE_ITEMS
#define GROUP_QUERIES (TILE_QUERIES / SUBGROUPS_DOWN)
#define GROUP_ROWS (TILE_ROWS / SUBGROUPS_ACROSS)
#define BLOCKS_DOWN (GROUP_QUERIES / UNIT_QUERIES)
#define BLOCKS_ACROSS (GROUP_ROWS / UNIT_ROWS)
// Pieces of 16 bytes: of one step of a panel, and those each item copies in a step.
#define PANEL_PIECES (PANEL_ROWS * 4)
#define QUERY_COPIES ((TILE_QUERIES * 4 + TILE_ITEMS - 1) / TILE_ITEMS)
#define ROW_COPIES ((TILE_ROWS * 4 + TILE_ITEMS - 1) / TILE_ITEMS)
#define STAGE_BYTES ((TILE_QUERIES + TILE_ROWS) * LINE_BYTES)

// Sends one step of a tile to its stage.
#define COPY_STEP(step)                                                                            \
  {                                                                                                \
    __local uchar *stage = memory + (step) % 2 * STAGE_BYTES;                                      \
    UNROLL                                                                                         \
    for (uint i = 0; i < QUERY_COPIES; i++) {                                                      \
      uint piece = i * TILE_ITEMS + item;                                                          \
      if (piece < TILE_QUERIES * 4) {                                                              \
        copy_piece(stage + line_place(piece / 4, piece % 4 * 16),                                  \
                   query_source[i] + (step) * PANEL_PIECES);                                       \
      }                                                                                            \
    }                                                                                              \
    UNROLL                                                                                         \
    for (uint i = 0; i < ROW_COPIES; i++) {                                                        \
      uint piece = i * TILE_ITEMS + item;                                                          \
      if (piece < TILE_ROWS * 4) {                                                                 \
        copy_piece(stage + TILE_QUERIES * LINE_BYTES + line_place(piece / 4, piece % 4 * 16),      \
                   row_source[i] + (step) * PANEL_PIECES);                                         \
      }                                                                                            \
    }                                                                                              \
    COPIES_SENT();                                                                                 \
  }

__kernel __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1))) UNIT_ATTRIBUTES void
search_matrix(FILTER_PARAMETERS) {
  __local uchar memory[2 * STAGE_BYTES] __attribute__((aligned(128)));
  __local uint exchanges[SUBGROUPS_DOWN * SUBGROUPS_ACROSS * EXCHANGE_WORDS];
  __local uint2 places[TILE_PANELS];
  __local uint searched;
  ADD_OFFSETS;
  uint item = (uint)get_local_id(0);
  uint lane = item % LANES, subgroup = item / LANES;
  __local uint *exchange = exchanges + subgroup * EXCHANGE_WORDS;
  uint steps = (dimension * BYTES + LINE_BYTES - 1) / LINE_BYTES;
  uint query_first = (uint)group_index(0) * TILE_QUERIES;
  uint place_first = first + (uint)group_index(1) * TILE_PANELS;

  if (item == 0) searched = 0;
  for (uint i = item; i < TILE_PANELS; i += TILE_ITEMS) {
    // Past the end of the launch there is a panel to read, no row of which may be hit.
    uint2 panel_rows = PANEL_AT(min(place_first + i, end - 1));
    places[i] = place_first + i < end ? panel_rows : (uint2)(panel_rows.x, 0);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  // A threshold of infinity says that a query is not searched.
  for (uint i = item; i < TILE_QUERIES; i += TILE_ITEMS) {
    if (query_first + i < query_count && thresholds[query_first + i] < INFINITY) {
      atomic_or(&searched, 1u);
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  uint block_count = (query_count + BLOCK_QUERIES - 1) / BLOCK_QUERIES;
  uint block_first = query_first / BLOCK_QUERIES;
  uint visits = (min(block_first + TILE_QUERIES / BLOCK_QUERIES, block_count) - block_first) *
                (min(place_first + TILE_PANELS, end) - place_first);
  if (searched == 0) {
    if (item == 0) add_tally(tallies + TALLY_VISITS, visits);
    return;
  }

  uint last_panel = (query_count - 1) / PANEL_ROWS;
  __global const uint4 *query_source[QUERY_COPIES];
  UNROLL
  for (uint i = 0; i < QUERY_COPIES; i++) {
    uint piece = i * TILE_ITEMS + item;
    uint panel = min((query_first * 4 + piece) / PANEL_PIECES, last_panel);
    query_source[i] = queries + (size_t)panel * steps * PANEL_PIECES + piece % PANEL_PIECES;
  }
  __global const uint4 *row_source[ROW_COPIES];
  UNROLL
  for (uint i = 0; i < ROW_COPIES; i++) {
    uint piece = i * TILE_ITEMS + item;
    uint panel = places[min(piece / PANEL_PIECES, (uint)TILE_PANELS - 1)].x;
    row_source[i] = panels + (size_t)panel * steps * PANEL_PIECES + piece % PANEL_PIECES;
  }

  accumulator sums[BLOCKS_DOWN][BLOCKS_ACROSS][UNIT_ELEMENTS];
  UNROLL
  for (uint i = 0; i < BLOCKS_DOWN; i++) {
    UNROLL
    for (uint j = 0; j < BLOCKS_ACROSS; j++) {
      UNROLL
      for (uint e = 0; e < UNIT_ELEMENTS; e++) sums[i][j][e] = 0;
    }
  }
  uint down = subgroup / SUBGROUPS_ACROSS * GROUP_QUERIES;
  uint across = subgroup % SUBGROUPS_ACROSS * GROUP_ROWS;
  COPY_STEP(0);
  uint step = 0;
  for (; step < steps; step++) {
    if (step + 1 < steps) {
      COPY_STEP(step + 1);
      COPIES_HERE(1);
    } else {
      COPIES_HERE(0);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    __local const uchar *query_lines = memory + step % 2 * STAGE_BYTES;
    __local const uchar *row_lines = query_lines + TILE_QUERIES * LINE_BYTES;
    UNROLL_DEPTH
    for (uint depth = 0; depth < LINE_BYTES; depth += UNIT_DEPTH) {
      uint b[BLOCKS_ACROSS][ROW_WORDS];
      UNROLL
      for (uint j = 0; j < BLOCKS_ACROSS; j++) {
        load_rows(b[j], row_lines, across + j * UNIT_ROWS, depth, lane, exchange);
      }
      UNROLL
      for (uint i = 0; i < BLOCKS_DOWN; i++) {
        uint a[QUERY_WORDS];
        load_queries(a, query_lines, down + i * UNIT_QUERIES, depth, lane, exchange);
        UNROLL
        for (uint j = 0; j < BLOCKS_ACROSS; j++) multiply(sums[i][j], a, b[j], lane, exchange);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  UNROLL
  for (uint i = 0; i < BLOCKS_DOWN; i++) {
    UNROLL
    for (uint j = 0; j < BLOCKS_ACROSS; j++) {
      // A block's rows are of one panel.
      uint column = across + j * UNIT_ROWS;
      uint2 panel_rows = places[column / PANEL_ROWS];
      uint panel = panel_rows.x, lane_first = column % PANEL_ROWS;
      if (panel_rows.y >> lane_first == 0) continue;
      __global const float *term = terms + (size_t)panel * 2 * PANEL_ROWS + lane_first;
      float2 lengths = vload2(panel, panel_lengths);
      float values[UNIT_ELEMENTS];
      uint passing = 0;
      UNROLL
      for (uint e = 0; e < UNIT_ELEMENTS; e++) {
        uint row = ELEMENT_ROW(lane, e);
        uint query = query_first + down + i * UNIT_QUERIES + ELEMENT_QUERY(lane, e);
        uint there = min(query, query_count - 1);
        float4 bound = vload4(there, bounds);
        float limit = thresholds[there] - error_bound(bound, square, lengths);
        float value = fma((float)sums[i][j][e] * bound.w, term[row], term[PANEL_ROWS + row]);
        values[e] = value;
        bool passes = !(value < limit) && query < query_count && thresholds[there] < INFINITY;
        passing |= (passes ? panel_rows.y >> (lane_first + row) & 1u : 0u) << e;
      }
      if (passing == 0) continue;
      UNROLL
      for (uint e = 0; e < UNIT_ELEMENTS; e++) {
        if ((passing >> e & 1u) == 0) continue;
        uint query = query_first + down + i * UNIT_QUERIES + ELEMENT_QUERY(lane, e);
        append_row(lists + (size_t)query * capacity, counts + query, capacity, values[e],
                   first_row + panel * PANEL_ROWS + lane_first + ELEMENT_ROW(lane, e));
      }
    }
  }
  if (item == 0 && step >= steps) add_tally(tallies + TALLY_VISITS, visits);
}
