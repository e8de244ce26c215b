// Goes before every other file.
//
// Conventions
//   A matrix is two parameters: `__global T *x` (the buffer it lives in) and `ulong x_offset` (its
//   first element). Add the offset once, at the top of the kernel; below it, offsets may be 32-bit.
//   Launches are cut into pieces by their global offset: use group_index, not get_group_id.
//   Kernels that walk a list give each group a SPAN of consecutive elements, and item i of the
//   group takes elements i, i + GROUP, ...: neighbours read neighbours, a lone item reads on.
//
// Macros
//   GROUP                   items in the group of a kernel that walks a list: 1 for wide items,
//                           else a power of two
//   BODY_WIDE or BODY_TILE  which body the hot kernels compile: wide work items for CPUs,
//                           work-group tiles through local memory for GPUs
//   HAS_FLOAT64             the device computes in Float64

#ifdef HAS_FLOAT64
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
#endif

// A fused multiply-add where it is fast; elsewhere the compiler chooses.
#ifdef FP_FAST_FMAF
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

// The sides of a work-group, which a kernel with others defines anew. Numbers, since compilers for
// small GPUs get addresses wrong that follow from get_local_size.
#define LOCAL_X GROUP
#define LOCAL_Y 1

// The index of this work-group in the whole operation, over all pieces of the launch.
#define group_index(dimension)                                                                     \
  (get_global_id(dimension) / (size_t)((dimension) == 0 ? LOCAL_X : LOCAL_Y))

// The sum of `value` over the items before this one; `*total` is the sum over all of them.
// Every item of the group must call it. `partial` holds GROUP values.
static inline uint scan_group(uint value, __local uint *partial, uint *total) {
#if GROUP == 1
  *total = value;
  return 0;
#else
  uint item = get_local_id(0);
  partial[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint distance = 1; distance < GROUP; distance *= 2) {
    uint before = item >= distance ? partial[item - distance] : 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    partial[item] += before;
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  uint through = partial[item];
  *total = partial[GROUP - 1];
  barrier(CLK_LOCAL_MEM_FENCE);
  return through - value;
#endif
}
