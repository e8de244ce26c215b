// Sums and counts of the points of each cluster, in an order that every device keeps:
//
//   sums[c] = sum of runs; run = sum of 256 of the cluster's points, rising; from 0, in Float64
//
// 1. count_digits, scan, place_points: a stable radix sort of (label, point), DIGIT bits at a time.
// 2. find_starts: where each cluster starts in that list; count_runs and scan: its first run.
// 3. sum_runs: one sum per run and column. add_runs: the runs of a cluster, in order.
//
// Layout: points row-major. `order` holds label << 32 | point. `digit_counts` is [digit][group], so
// that its running sum is where each group's points of each digit go. `run_sums` is [run][column].
//
// Work items
//   count_digits, place_points  a group takes GROUP * PER_ITEM points, item i the i-th PER_ITEM
//   scan                        one group, GROUP * PER_ITEM values at a time
//   find_starts, count_runs     a group walks SPAN elements
//   sum_runs                    BODY_WIDE: one item sums a run, 16 columns at a time.
//                               BODY_TILE: 32 x 8 items sum 32 columns of 8 runs; where groups
//                               hold fewer than 256 items, as many runs as they have room for.
//   add_runs                    as sum_runs, with clusters for runs
//
// Macros
//   DIGIT     bits sorted by at a time (wide 8, tile 4)
//   PER_ITEM  consecutive elements of an item (wide 8192, tile 16)
//   SPAN      elements of a group that walks a list, a multiple of GROUP (1024)

#pragma OPENCL FP_CONTRACT OFF

#define RUN 256

#ifdef BODY_WIDE
#ifndef DIGIT
#define DIGIT 8
#endif
#ifndef PER_ITEM
#define PER_ITEM 8192
#endif
#else
#ifndef DIGIT
#define DIGIT 4
#endif
#ifndef PER_ITEM
#define PER_ITEM 16
#endif
#endif

#ifndef SPAN
#define SPAN 1024
#endif

#define DIGITS (1 << DIGIT)
#define DIGIT_OF(label) (((uint)(label) >> shift) & (DIGITS - 1))

// The range of this item's points.
static inline uint item_start(uint count) {
  return min((uint)get_global_id(0) * PER_ITEM, count);
}
static inline uint item_end(uint count) { return min(item_start(count) + PER_ITEM, count); }

// Points per digit and item, [digit][item].
static inline void count_own(__local uint *counts, __global const ulong *order, uint count,
                             uint shift) {
  uint item = get_local_id(0);
  for (uint digit = 0; digit < DIGITS; digit++) counts[digit * GROUP + item] = 0;
  for (uint i = item_start(count); i < item_end(count); i++)
    counts[DIGIT_OF(order[i] >> 32) * GROUP + item]++;
}

__kernel void label_points(__global const int *restrict labels, ulong labels_offset, uint count,
                           __global ulong *restrict order, ulong order_offset) {
  uint start = (uint)group_index(0) * SPAN;
  uint end = min(count - start, (uint)SPAN) + start;
  for (uint i = start + get_local_id(0); i < end; i += GROUP)
    order[order_offset + i] = (ulong)labels[labels_offset + i] << 32 | i;
}

__kernel void count_digits(__global const ulong *restrict order, ulong order_offset, uint count,
                           uint shift, uint group_count, __global uint *restrict digit_counts,
                           ulong digit_counts_offset) {
  __local uint counts[DIGITS * GROUP];
  count_own(counts, order + order_offset, count, shift);
  barrier(CLK_LOCAL_MEM_FENCE);
  digit_counts += digit_counts_offset + group_index(0);
  for (uint digit = get_local_id(0); digit < DIGITS; digit += GROUP) {
    uint sum = 0;
    for (uint item = 0; item < GROUP; item++) sum += counts[digit * GROUP + item];
    digit_counts[(size_t)digit * group_count] = sum;
  }
}

// values[i] = sum of the values before i.
__kernel void scan(__global uint *restrict values, ulong values_offset, uint count) {
  __local uint partial[GROUP];
  values += values_offset;
  uint carry = 0;
  for (uint block = 0; block < count; block += GROUP * PER_ITEM) {
    uint start = min(block + (uint)get_local_id(0) * PER_ITEM, count);
    uint end = min(start + PER_ITEM, count);
    uint sum = 0, total;
    for (uint i = start; i < end; i++) sum += values[i];
    uint before = carry + scan_group(sum, partial, &total);
    for (uint i = start; i < end; i++) {
      uint value = values[i];
      values[i] = before;
      before += value;
    }
    carry += total;
  }
}

__kernel void place_points(__global const ulong *restrict order, ulong order_offset, uint count,
                           uint shift, uint group_count,
                           __global const uint *restrict digit_starts, ulong digit_starts_offset,
                           __global ulong *restrict sorted, ulong sorted_offset) {
  __local uint places[DIGITS * GROUP];
  __local uint partial[GROUP];
  order += order_offset;
  digit_starts += digit_starts_offset + group_index(0);
  sorted += sorted_offset;
  uint item = get_local_id(0);
  count_own(places, order, count, shift);
  barrier(CLK_LOCAL_MEM_FENCE);

  // The running sum over [digit][item]: each item takes a stretch of DIGITS of them.
  uint sum = 0, total;
  for (uint i = 0; i < DIGITS; i++) sum += places[item * DIGITS + i];
  uint before = scan_group(sum, partial, &total);
  for (uint i = 0; i < DIGITS; i++) {
    uint value = places[item * DIGITS + i];
    places[item * DIGITS + i] = before;
    before += value;
  }
  barrier(CLK_LOCAL_MEM_FENCE);

  // From places within the group to places in the list; item 0's places hold each digit's first.
  __local uint shifts[DIGITS];
  for (uint digit = item; digit < DIGITS; digit += GROUP)
    shifts[digit] = digit_starts[(size_t)digit * group_count] - places[digit * GROUP];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint i = item_start(count); i < item_end(count); i++) {
    ulong entry = order[i];
    uint digit = DIGIT_OF(entry >> 32);
    uint place = shifts[digit] + places[digit * GROUP + item]++;
    if (place < count) sorted[place] = entry;
  }
}

// starts[c] = the first place in `order` whose label is at least c; starts[clusters] = count.
__kernel void find_starts(__global const ulong *restrict order, ulong order_offset, uint count,
                          uint clusters, __global uint *restrict starts, ulong starts_offset) {
  order += order_offset;
  starts += starts_offset;
  uint start = (uint)group_index(0) * SPAN;
  uint end = min(count + 1 - start, (uint)SPAN) + start;
  for (uint i = start + get_local_id(0); i < end; i += GROUP) {
    uint from = i == 0 ? 0 : min((uint)(order[i - 1] >> 32), clusters) + 1;
    uint through = i == count ? clusters : min((uint)(order[i] >> 32), clusters);
    for (uint cluster = from; cluster <= through; cluster++) starts[cluster] = i;
  }
}

// counts[c] = points of c; run_starts[c] = runs of c, 0 past the last cluster, for `scan`.
__kernel void count_runs(__global const uint *restrict starts, ulong starts_offset, uint clusters,
                         __global int *restrict counts, ulong counts_offset,
                         __global uint *restrict run_starts, ulong run_starts_offset) {
  starts += starts_offset;
  uint start = (uint)group_index(0) * SPAN;
  uint end = min(clusters + 1 - start, (uint)SPAN) + start;
  for (uint c = start + get_local_id(0); c < end; c += GROUP) {
    uint members = c < clusters ? starts[c + 1] - starts[c] : 0;
    if (c < clusters) counts[counts_offset + c] = (int)members;
    run_starts[run_starts_offset + c] = (members + RUN - 1) / RUN;
  }
}

// The cluster that a run belongs to: the last whose first run is not after it.
static inline uint cluster_of(uint run, __global const uint *run_starts, uint clusters) {
  uint low = 0, high = clusters;
  while (high - low > 1) {
    uint middle = low + (high - low) / 2;
    if (run_starts[middle] <= run) low = middle;
    else high = middle;
  }
  return low;
}

#ifdef HAS_FLOAT64

// target[column] = sum of the floats or doubles at ROW(i)[column], i from `begin` to `end`.
#ifdef BODY_WIDE
#define SUM_COLUMNS(target, ROW)                                                                   \
  uint column = 0;                                                                                 \
  for (; column + 16 <= columns; column += 16) {                                                   \
    double16 sum = (double16)(0.0);                                                                \
    for (uint i = begin; i < end; i++) sum += convert_double16(vload16(0, ROW(i) + column));       \
    vstore16(sum, 0, target + column);                                                             \
  }                                                                                                \
  for (; column < columns; column++) {                                                             \
    double sum = 0.0;                                                                              \
    for (uint i = begin; i < end; i++) sum += (double)ROW(i)[column];                              \
    target[column] = sum;                                                                          \
  }
#else
#define SUM_COLUMNS(target, ROW)                                                                   \
  uint column = get_global_id(0);                                                                  \
  if (column < columns) {                                                                          \
    double sum = 0.0;                                                                              \
    for (uint i = begin; i < end; i++) sum += (double)ROW(i)[column];                              \
    target[column] = sum;                                                                          \
  }
#endif

// `columns` columns from `first_column` on, of points that have `width`.
__kernel void sum_runs(__global const float *restrict points, ulong points_offset, uint width,
                       uint first_column, uint columns, __global const ulong *restrict order,
                       ulong order_offset, __global const uint *restrict starts,
                       ulong starts_offset, __global const uint *restrict run_starts,
                       ulong run_starts_offset, uint clusters, uint count,
                       __global double *restrict run_sums, ulong run_sums_offset) {
  starts += starts_offset;
  run_starts += run_starts_offset;
  uint run = get_global_id(1);
  if (run >= run_starts[clusters]) return;
  uint cluster = cluster_of(run, run_starts, clusters);
  uint begin = starts[cluster] + (run - run_starts[cluster]) * RUN;
  uint end = min(min(begin + RUN, starts[cluster + 1]), count);
  points += points_offset + first_column;
  order += order_offset;
  run_sums += run_sums_offset + (size_t)run * columns;
#define POINT(i) (points + (size_t)min((uint)order[i], count - 1) * width)
  SUM_COLUMNS(run_sums, POINT)
}

__kernel void add_runs(__global const double *restrict run_sums, ulong run_sums_offset,
                       __global const uint *restrict run_starts, ulong run_starts_offset,
                       uint clusters, uint run_limit, uint width, uint first_column, uint columns,
                       __global double *restrict sums, ulong sums_offset) {
  uint cluster = get_global_id(1);
  if (cluster >= clusters) return;
  uint begin = run_starts[run_starts_offset + cluster];
  uint end = min(run_starts[run_starts_offset + cluster + 1], run_limit);
  run_sums += run_sums_offset;
  sums += sums_offset + (size_t)cluster * width + first_column;
#define RUN_SUMS(i) (run_sums + (size_t)(i) * columns)
  SUM_COLUMNS(sums, RUN_SUMS)
}

#endif
