// The first element of a list that must not be there:
//
//   found = min over i of { i : bad(values[i]) }, and unchanged if there is none
//
// bad(x) is x outside 0..<limit for BYTES or INTS, and x not finite for FLOATS.
//
// Work items: a group looks through SPAN elements.
//
// Macros
//   BYTES, INTS or FLOATS  what the list holds
//   SPAN                   elements of a group, a multiple of GROUP (4096)

#ifndef SPAN
#define SPAN 4096
#endif

#if defined(BYTES)
#define ELEMENT uchar
#define IS_BAD(x) ((x) >= limit)
#elif defined(INTS)
#define ELEMENT int
#define IS_BAD(x) ((x) < 0 || (x) >= limit)
#else
// By its bits: nothing is assumed of how the device compares.
#define ELEMENT uint
#define IS_BAD(x) (((x) & 0x7f800000u) == 0x7f800000u)
#endif

__kernel void find(__global const ELEMENT *restrict values, ulong values_offset, ulong first,
                   uint count, int limit, __global uint *restrict found, ulong found_offset) {
  values += values_offset + first;
  uint start = (uint)group_index(0) * SPAN;
  uint end = min(count - start, (uint)SPAN) + start;
  for (uint i = start + get_local_id(0); i < end; i += GROUP) {
    ELEMENT value = values[i];
    if (IS_BAD(value)) {
      atomic_min(found + found_offset, i);
      break;
    }
  }
}
