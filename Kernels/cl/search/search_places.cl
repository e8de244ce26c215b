// The common part of filters: their parameters, and the rows that a launch goes over. Goes before
// the file of each filter.
//
// A launch covers places `first` up to `end` of one segment, place i standing for panel
// i * stride mod panel_count, so that every launch sees a fair sample of rows that were stored in
// an order of their own.
//
// A filter adds what it has been through to `tallies[TALLY_VISITS]`: for each block of queries and
// each place one, also where it found that nobody is searched.
//
// Macro PACKED: the type of packed rows and queries.
// Macro SELECTED: only some rows may be hits. Place i then stands for entry i * stride mod
//   panel_count of `kept`, which has a panel and the mask of its rows that are selected, two words,
//   for each of the panel_count panels with such a row.
// Macro LISTS: each block of queries goes over panels of its own. `work` has, for each block one
//   after the other, a panel, the mask of its rows that may be hits, and the mask of the block's
//   queries that look at it, three words each; block b has the entries work_starts[b] up to
//   work_starts[b + 1], at most panel_count. A launch covers the same share of them for each block.

// The panel a place stands for, and the mask of its rows that may be hits.
#ifdef LISTS
#define KEPT_PARAMETER                                                                             \
  , __global const uint *restrict work, ulong work_offset,                                         \
      __global const uint *restrict work_starts, ulong work_starts_offset
#define PANEL_AT(place) vload2(0, work + work_offset + 3 * (size_t)(place))
#elif defined(SELECTED)
#define KEPT_PARAMETER , __global const uint *restrict kept, ulong kept_offset
#define PANEL_AT(place) vload2(scattered(place, stride, panel_count), kept + kept_offset)
#else
#define KEPT_PARAMETER
#define PANEL_AT(place) with_rows(scattered(place, stride, panel_count), row_count)
#endif

// The places that a block of queries goes over, and the mask of its queries that look at one.
#ifdef LISTS
#define FIRST_PLACE(block)                                                                         \
  listed_place(work_starts + work_starts_offset + (block), panel_count, first)
#define END_PLACE(block)                                                                           \
  listed_place(work_starts + work_starts_offset + (block), panel_count, end)
#define QUERIES_AT(place) work[work_offset + 3 * (size_t)(place) + 2]
#else
#define FIRST_PLACE(block) first
#define END_PLACE(block) end
#define QUERIES_AT(place) 0xFFu
#endif

#define FILTER_PARAMETERS                                                                          \
  __global const PACKED *restrict panels, ulong panels_offset,                                     \
      __global const float *restrict terms, ulong terms_offset,                                    \
      __global const float *restrict panel_lengths, ulong panel_lengths_offset,                    \
      __global const PACKED *restrict queries, ulong queries_offset,                               \
      __global const float *restrict bounds, ulong bounds_offset,                                  \
      __global const float *restrict thresholds, ulong thresholds_offset,                          \
      __global ulong *restrict lists, ulong lists_offset, __global uint *restrict counts,          \
      ulong counts_offset, __global uint *restrict tallies, ulong tallies_offset, uint dimension,  \
      float square, uint query_count, uint capacity,                                               \
      uint first_row, uint row_count, uint panel_count, uint stride, uint first,                   \
      uint end KEPT_PARAMETER

#define ADD_OFFSETS                                                                                \
  panels += panels_offset;                                                                         \
  terms += terms_offset;                                                                           \
  panel_lengths += panel_lengths_offset;                                                           \
  queries += queries_offset;                                                                       \
  bounds += bounds_offset;                                                                         \
  thresholds += thresholds_offset;                                                                 \
  lists += lists_offset;                                                                           \
  counts += counts_offset;                                                                         \
  tallies += tallies_offset

static inline uint scattered(uint place, uint stride, uint panel_count) {
  return (uint)((ulong)place * stride % panel_count);
}

// A panel and the mask of the rows it has: the last may not be full.
static inline uint2 with_rows(uint panel, uint row_count) {
  uint left = row_count - panel * PANEL_ROWS;
  return (uint2)(panel, left < PANEL_ROWS ? (1u << left) - 1 : 0xFFFFFFFFu);
}

// Place `place` of `panel_count`, as a share of the entries from `starts[0]` up to `starts[1]`.
static inline uint listed_place(__global const uint *starts, uint panel_count, uint place) {
  uint start = starts[0];
  return start + (uint)((ulong)place * (starts[1] - start) / panel_count);
}
