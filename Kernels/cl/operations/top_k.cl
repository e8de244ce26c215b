// The k best of each row, best first, ties by lower column, NaN last.
//
// A score and its column become one number, its rank: smaller is better, and no two are equal.
//
//   rank = (key of the score) << 32 | column      key: order-preserving bits, -0 as +0, NaN as ~0
//
// So selecting and sorting ranks needs no tie rule, and nothing depends on which item comes first.
//
// select_best  per segment of a row, the k smallest ranks, in any order: a radix select, 11 or 10
//              bits at a time from the top, that stops as soon as the bucket holding the k-th rank
//              is wanted whole. Places that are left over in `ranks` are filled with ~0.
//              Group: x = segment, y = row.
// sort_ranks   sorts each row of `ranks` in local memory (bitonic). Group: x = row.
// sort_step    one step of a bitonic sort in global memory.
//              Group: x = block of SPAN pairs, y = row.
// write_best   values and columns of the first k ranks of each row.
//              Group: x = block of SPAN places, y = row.
//
// Layout: scores row-major. Ranks: per row, `segments` stretches of k, or, to be sorted in global
// memory, the power of two that holds k.
//
// Macros
//   LARGEST_FIRST  the order (1)
//   FROM_RANKS     select_best reads ranks, the result of an earlier select_best, not scores (0)
//   SPAN           pairs or places of a group, a multiple of GROUP (1024)

#ifndef LARGEST_FIRST
#define LARGEST_FIRST 1
#endif
#ifndef FROM_RANKS
#define FROM_RANKS 0
#endif
#ifndef SPAN
#define SPAN 1024
#endif

#define BINS 2048
#define NO_RANK ((ulong)-1)

#if FROM_RANKS
#define INPUT ulong
#define RANK(input, i) ((input)[i])
#else
#define INPUT uint
#define RANK(input, i) (((ulong)key((input)[i]) << 32) | (i))
#endif

// From the score's bits: what a device does to subnormal numbers plays no part.
static inline uint key(uint bits) {
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0xffffffffu;
  if ((bits & 0x7fffffffu) == 0) bits = 0;
  uint rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return LARGEST_FIRST ? ~rising : rising;
}

// The number of items of the group that came to this counter before.
static inline uint take_place(__local uint *counter) {
#if GROUP == 1
  return (*counter)++;
#else
  return atomic_inc(counter);
#endif
}

// `width` inputs a row, cut into segments of `segment_width`; each fills `places` of the row's
// `row_stride` ranks. With FROM_RANKS the inputs are one segment.
__kernel void select_best(__global const INPUT *restrict inputs, ulong inputs_offset, uint width,
                          uint segment_width, uint k, __global ulong *restrict ranks,
                          ulong ranks_offset, uint places, uint row_stride) {
  __local uint histogram[BINS];
  __local uint partial[GROUP];
  __local uint bucket, below, inside;
  uint item = get_local_id(0);
  uint start = (uint)group_index(0) * segment_width;
  uint end = min(width - start, segment_width) + start;
  size_t row = group_index(1);
  inputs += inputs_offset + row * width;
  ranks += ranks_offset + row * row_stride + group_index(0) * places;

  uint wanted = min(k, end - start);
  ulong known = 0;
  ulong known_bits = 0;
  uint shift = 64;
  while (shift > 0) {
    uint bits = shift == 42 || shift == 10 ? 10 : 11;
    shift -= bits;
    for (uint bin = item; bin < BINS; bin += GROUP) histogram[bin] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = start + item; i < end; i += GROUP) {
      ulong rank = RANK(inputs, i);
      if ((rank & known_bits) == known)
        take_place(histogram + ((uint)(rank >> shift) & ((1u << bits) - 1)));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    // Each item adds up its stretch of bins; the one in whose stretch the k-th rank falls finds it.
    uint sum = 0, total;
    for (uint bin = 0; bin < BINS / GROUP; bin++) sum += histogram[item * (BINS / GROUP) + bin];
    uint before = scan_group(sum, partial, &total);
    if (before < wanted && wanted <= before + sum) {
      uint bin = item * (BINS / GROUP);
      while (bin < BINS - 1 && before + histogram[bin] < wanted) before += histogram[bin++];
      bucket = bin;
      below = before;
      inside = histogram[bin];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    known |= (ulong)bucket << shift;
    known_bits |= (ulong)((1u << bits) - 1) << shift;
    wanted -= below;
    if (inside == wanted) break;
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  barrier(CLK_LOCAL_MEM_FENCE);
  if (item == 0) inside = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint i = start + item; i < end; i += GROUP) {
    ulong rank = RANK(inputs, i);
    if ((rank & known_bits) <= known) {
      uint place = take_place(&inside);
      if (place < places) ranks[place] = rank;
    }
  }
  for (uint place = min(k, end - start) + item; place < places; place += GROUP)
    ranks[place] = NO_RANK;
}

#if !FROM_RANKS

// One comparison of a bitonic sort: pair `pair` of those `distance` apart, in stretches of `size`.
#define ORDER_PAIR(ranks, pair, size, distance)                                                    \
  do {                                                                                             \
    uint left = 2 * (pair) - ((pair) & ((distance)-1));                                            \
    ulong first = (ranks)[left], second = (ranks)[left + (distance)];                              \
    if ((first > second) == ((left & (size)) == 0)) {                                              \
      (ranks)[left] = second;                                                                      \
      (ranks)[left + (distance)] = first;                                                          \
    }                                                                                              \
  } while (0)

// `count` ranks a row, sorted in `length` places of local memory, the next power of two.
__kernel void sort_ranks(__global ulong *restrict ranks, ulong ranks_offset, uint count,
                         __local ulong *sorted, uint length) {
  ranks += ranks_offset + group_index(0) * count;
  uint item = get_local_id(0);
  for (uint i = item; i < length; i += GROUP) sorted[i] = i < count ? ranks[i] : NO_RANK;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint size = 2; size <= length; size *= 2) {
    for (uint distance = size / 2; distance > 0; distance /= 2) {
      for (uint pair = item; pair < length / 2; pair += GROUP)
        ORDER_PAIR(sorted, pair, size, distance);
      barrier(CLK_LOCAL_MEM_FENCE);
    }
  }
  for (uint i = item; i < count; i += GROUP) ranks[i] = sorted[i];
}

__kernel void sort_step(__global ulong *restrict ranks, ulong ranks_offset, uint length, uint size,
                        uint distance) {
  ranks += ranks_offset + group_index(1) * length;
  uint start = (uint)group_index(0) * SPAN;
  uint end = min(length / 2 - start, (uint)SPAN) + start;
  for (uint pair = start + get_local_id(0); pair < end; pair += GROUP)
    ORDER_PAIR(ranks, pair, size, distance);
}

__kernel void write_best(__global const ulong *restrict ranks, ulong ranks_offset, uint row_stride,
                         __global const float *restrict scores, ulong scores_offset, uint width,
                         uint k, __global float *restrict values, ulong values_offset,
                         __global int *restrict columns, ulong columns_offset) {
  size_t row = group_index(1);
  ranks += ranks_offset + row * row_stride;
  scores += scores_offset + row * width;
  values += values_offset + row * k;
  columns += columns_offset + row * k;
  uint start = (uint)group_index(0) * SPAN;
  uint end = min(k - start, (uint)SPAN) + start;
  for (uint place = start + get_local_id(0); place < end; place += GROUP) {
    // Another kernel chose the column: it is no index before it is known to be there.
    uint column = (uint)ranks[place];
    columns[place] = (int)column;
    values[place] = column < width ? scores[column] : NAN;
  }
}

#endif
