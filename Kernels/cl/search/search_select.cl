// Keeps the lists short, and picks and orders the hits. One work-group of LIST_ITEMS per query; with
// BODY_WIDE of one item. What other kernels should have written is never an index before it is
// clamped.
//
// search_restart  begins again with the queries whose lists overflowed, and puts the others to
//                 rest. Item = one query.
// search_tighten  threshold = the k-th largest v - e in the list (k rows are at least that good, so
//                 it only rises), then drops entries with v + e below it.
// search_select   reduces a list of keys to its k smallest, and with `restore` turns those back
//                 into entries. Lists of at most `limit` are left alone. RANKED: the rows of its
//                 keys are ranks.
// search_sort     sorts `size` keys (a power of two; past the count they are filled up) with the
//                 bitonic network, steps `first_step` up to `end_step` of it.
// search_results  rows[q][i], scores[q][i] = the i-th key of query q, if that query was searched.
//                 Item = one hit.

#define DIGIT_BITS 4u
// Items of a group that works on one list. A number that the compiler knows, because it is part of
// addresses.
#define LIST_ITEMS (GROUP < 64 ? GROUP : 64)
#undef LOCAL_X
#define LOCAL_X LIST_ITEMS
#define DIGITS 16u

// Counts in local memory, and barriers. A lone item needs neither: atomics cost a CPU most of the
// work here, and barriers cost its compiler seconds.
#ifdef BODY_WIDE
#define GROUP_BARRIER(fences)
static inline uint increment(__local uint *count) { return (*count)++; }
static inline void lower(__local uint *least, uint value) { *least = min(*least, value); }
static inline void raise(__local uint *most, uint value) { *most = max(*most, value); }
#else
#define GROUP_BARRIER(fences) barrier(fences)
static inline uint increment(__local uint *count) { return atomic_inc(count); }
static inline void lower(__local uint *least, uint value) { atomic_min(least, value); }
static inline void raise(__local uint *most, uint value) { atomic_max(most, value); }
#endif

// From how often each value of a digit occurs, the value of the `rank`-th member, counted from the
// top and from 1; its rank among the members of its value, and their number. Every item calls it.
static inline uint digit_from_top(__local uint *histogram, __local uint *shared, uint *rank,
                                  uint *members) {
  GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
  if (get_local_id(0) == 0) {
    uint above = 0, digit = DIGITS - 1;
    while (digit > 0 && above + histogram[digit] < *rank) above += histogram[digit--];
    shared[0] = digit;
    shared[1] = *rank - above;
    shared[2] = histogram[digit];
  }
  GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
  *rank = shared[1];
  *members = shared[2];
  uint digit = shared[0];
  GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
  return digit;
}

static inline void clear_histogram(__local uint *histogram) {
  for (uint digit = get_local_id(0); digit < DIGITS; digit += LIST_ITEMS) {
    histogram[digit] = 0;
  }
  GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
}

// Bits of v - e that order as the numbers do; NaN counts as -infinity.
static inline uint lower_bound_bits(ulong entry, __global const float *panel_lengths,
                                    uint panel_count, float4 bound, float square) {
  float2 lengths = vload2(min(entry_row(entry) / PANEL_ROWS, panel_count - 1), panel_lengths);
  float low = entry_value(entry) - error_bound(bound, square, lengths);
  return ascending_bits(isnan(low) ? -INFINITY : low);
}

__kernel void search_tighten(__global ulong *restrict lists, ulong lists_offset,
                             __global uint *restrict counts, ulong counts_offset,
                             __global uint *restrict states, ulong states_offset,
                             __global float *restrict thresholds, ulong thresholds_offset,
                             __global const float *restrict bounds, ulong bounds_offset,
                             __global const float *restrict panel_lengths,
                             ulong panel_lengths_offset, uint panel_count, float square, uint k,
                             uint capacity) {
  __local uint histogram[DIGITS];
  __local uint shared[3];
  uint query = (uint)group_index(0);
  uint item = get_local_id(0), items = LIST_ITEMS;
  lists += lists_offset + (size_t)query * capacity;
  states += states_offset + (size_t)query * STATE_WORDS;
  counts += counts_offset + query;
  thresholds += thresholds_offset + query;
  panel_lengths += panel_lengths_offset;
  float4 bound = vload4(query, bounds + bounds_offset);
  uint count = *counts;
  uint kept = states[STATE_KEPT];
  bool overflow = count > capacity || states[STATE_OVERFLOW] != 0;
  GROUP_BARRIER(CLK_GLOBAL_MEM_FENCE);
  if (item == 0) states[STATE_PASSED] += count - kept;
  if (overflow) {
    if (item == 0) {
      states[STATE_OVERFLOW] = 1;
      states[STATE_KEPT] = 0;
      *counts = 0;
      *thresholds = INFINITY;
    }
    return;
  }
  if (count == kept) return;

  if (count >= k) {
    if (item == 0) {
      shared[0] = UINT_MAX;
      shared[1] = 0;
    }
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
    for (uint i = item; i < count; i += items) {
      uint bits = lower_bound_bits(lists[i], panel_lengths, panel_count, bound, square);
      lower(shared, bits);
      raise(shared + 1, bits);
    }
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
    // Four bits at a time from the first that differ, until the k best are told apart; then the
    // least of them.
    uint least = shared[0];
    uint shift = 32 - clz(least ^ shared[1]);
    uint prefix = (uint)((ulong)least >> shift << shift), rank = k, members = count;
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
    while (shift > 0 && rank != members) {
      uint digit_top = shift;
      shift = max(shift, DIGIT_BITS) - DIGIT_BITS;
      clear_histogram(histogram);
      for (uint i = item; i < count; i += items) {
        uint bits = lower_bound_bits(lists[i], panel_lengths, panel_count, bound, square);
        if ((ulong)(bits ^ prefix) >> digit_top == 0) {
          increment(histogram + ((bits ^ prefix) >> shift));
        }
      }
      prefix |= digit_from_top(histogram, shared, &rank, &members) << shift;
    }
    if (item == 0) shared[0] = UINT_MAX;
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
    for (uint i = item; i < count; i += items) {
      uint bits = lower_bound_bits(lists[i], panel_lengths, panel_count, bound, square);
      if (bits >= prefix) lower(shared, bits);
    }
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
    // Finite, because infinity marks queries that are not searched.
    float threshold = fmax(*thresholds, fmin(from_ascending_bits(shared[0]), FLT_MAX));
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (item == 0) {
      *thresholds = threshold;
      shared[0] = 0;
    }
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    for (uint start = 0; start < count; start += items) {
      uint i = start + item;
      ulong entry = i < count ? lists[i] : 0;
      GROUP_BARRIER(CLK_GLOBAL_MEM_FENCE);
      float2 lengths = vload2(min(entry_row(entry) / PANEL_ROWS, panel_count - 1), panel_lengths);
      float limit = threshold - error_bound(bound, square, lengths);
      if (i < count && !(entry_value(entry) < limit)) lists[increment(shared)] = entry;
    }
    GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
    count = shared[0];
  }
  if (item == 0) {
    *counts = count;
    states[STATE_KEPT] = count;
  }
}

__kernel void search_restart(__global uint *restrict counts, ulong counts_offset,
                             __global uint *restrict states, ulong states_offset,
                             __global float *restrict thresholds, ulong thresholds_offset,
                             uint query_count) {
  uint query = (uint)get_global_id(0);
  if (query >= query_count) return;
  states += states_offset + (size_t)query * STATE_WORDS;
  thresholds[thresholds_offset + query] = states[STATE_OVERFLOW] != 0 ? -INFINITY : INFINITY;
  states[STATE_OVERFLOW] = 0;
  states[STATE_KEPT] = 0;
  counts[counts_offset + query] = 0;
}

// v as the canonical score has it, for a query of the given norm. Where the rounding of a squared
// distance could outgrow the panel's bound (a row of 2^62 or longer) nothing is claimed.
static inline float value_of_score(float score, float norm, uint metric) {
  if (metric == METRIC_INNER_PRODUCT) return score;
  if (metric == METRIC_COSINE) return score * norm;
  return score < 0x1p100f ? 0.5f * fma(norm, norm, -score) : NAN;
}

// The rank by id of the row at each place, and the place of each rank, where rows are not stored in
// the order of their ids: keys have ranks, so that ties go by id, and entries have places.
#ifdef RANKED
#define RANKS_PARAMETER                                                                            \
  , __global const uint *restrict ranks, ulong ranks_offset, __global const uint *restrict places, \
      ulong places_offset, uint rank_count, uint place_count
#define RANK_OF(place) ranks[ranks_offset + min(place, place_count - 1)]
#define PLACE_OF(rank) places[places_offset + min(rank, rank_count - 1)]
#else
#define RANKS_PARAMETER
#define PLACE_OF(rank) rank
#endif

__kernel void search_select(__global ulong *restrict lists, ulong lists_offset,
                            __global uint *restrict counts, ulong counts_offset,
                            __global uint *restrict states, ulong states_offset,
                            __global const float *restrict norms, ulong norms_offset, uint metric,
                            uint k, uint capacity, uint limit, uint restore RANKS_PARAMETER) {
  __local uint histogram[DIGITS];
  __local uint shared[3];
  uint query = (uint)group_index(0);
  uint item = get_local_id(0), items = LIST_ITEMS;
  lists += lists_offset + (size_t)query * capacity;
  states += states_offset + (size_t)query * STATE_WORDS;
  counts += counts_offset + query;
  uint count = min(*counts, capacity);
  GROUP_BARRIER(CLK_GLOBAL_MEM_FENCE);
  if (count <= limit) return;

#ifdef RANKED
  for (uint i = item; i < count; i += items) {
    ulong key = lists[i];
    lists[i] = key >> 32 << 32 | RANK_OF(entry_row(key));
  }
  GROUP_BARRIER(CLK_GLOBAL_MEM_FENCE);
#endif
  ulong prefix = 0;
  uint rank = min(k, count), members = count;
  uint shift = 64;
  while (shift > 0 && rank != members) {
    shift -= DIGIT_BITS;
    clear_histogram(histogram);
    for (uint i = item; i < count; i += items) {
      ulong key = ~lists[i];
      if (shift + DIGIT_BITS == 64 || (key ^ prefix) >> (shift + DIGIT_BITS) == 0) {
        increment(histogram + (uint)(key >> shift & (DIGITS - 1)));
      }
    }
    prefix |= (ulong)digit_from_top(histogram, shared, &rank, &members) << shift;
  }
  float norm = norms[norms_offset + query];
  if (item == 0) shared[0] = 0;
  GROUP_BARRIER(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  for (uint start = 0; start < count; start += items) {
    uint i = start + item;
    ulong key = i < count ? lists[i] : 0;
    GROUP_BARRIER(CLK_GLOBAL_MEM_FENCE);
    if (i < count && ~key >= prefix) {
      float value = value_of_score(score_of_rank((uint)(key >> 32), metric), norm, metric);
      lists[increment(shared)] = restore != 0 ? entry_of(value, PLACE_OF(entry_row(key))) : key;
    }
  }
  GROUP_BARRIER(CLK_LOCAL_MEM_FENCE);
  if (item == 0) {
    states[STATE_RESCORED] += count;
    states[STATE_KEPT] = shared[0];
    *counts = shared[0];
  }
}

__kernel void search_sort(__global ulong *restrict lists, ulong lists_offset,
                          __global const uint *restrict counts, ulong counts_offset, uint capacity,
                          uint size, uint first_step, uint end_step) {
  uint query = (uint)group_index(0);
  uint item = get_local_id(0), items = LIST_ITEMS;
  lists += lists_offset + (size_t)query * capacity;
  if (first_step == 0) {
    uint count = min(counts[counts_offset + query], size);
    for (uint i = count + item; i < size; i += items) lists[i] = ULONG_MAX;
    GROUP_BARRIER(CLK_GLOBAL_MEM_FENCE);
  }
  // Runs of length `run` become sorted by compare-exchanges over run/2, run/4, ... 1.
  uint step = 0;
  for (uint run = 2; run <= size; run *= 2) {
    for (uint distance = run / 2; distance > 0; distance /= 2, step++) {
      if (step < first_step || step >= end_step) continue;
      for (uint pair = item; pair < size / 2; pair += items) {
        uint low = pair / distance * distance * 2 + pair % distance;
        uint high = low + distance;
        ulong a = lists[low], b = lists[high];
        if ((a > b) == ((low & run) == 0)) {
          lists[low] = b;
          lists[high] = a;
        }
      }
      GROUP_BARRIER(CLK_GLOBAL_MEM_FENCE);
    }
  }
}

__kernel void search_results(__global const ulong *restrict lists, ulong lists_offset,
                             __global const float *restrict thresholds, ulong thresholds_offset,
                             __global int *restrict rows, ulong rows_offset,
                             __global float *restrict scores, ulong scores_offset, uint metric,
                             uint capacity, uint k, uint query_count) {
  uint hit = (uint)get_global_id(0);
  uint query = (uint)get_global_id(1);
  if (hit >= k || query >= query_count) return;
  if (!(thresholds[thresholds_offset + query] < INFINITY)) return;
  ulong key = lists[lists_offset + (size_t)query * capacity + hit];
  rows[rows_offset + (size_t)query * k + hit] = (int)entry_row(key);
  scores[scores_offset + (size_t)query * k + hit] = score_of_rank((uint)(key >> 32), metric);
}
