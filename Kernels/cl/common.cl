// Goes before every other file.
//
// Conventions
//   A matrix is two parameters: `__global T *x` (the buffer it lives in) and `ulong x_offset` (its
//   first element). Add the offset once, at the top of the kernel; below it, offsets may be 32-bit.
//   Launches are cut into pieces by their global offset: use group_index, not get_group_id.
//
// Macros
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

// The index of this work-group in the whole operation, over all pieces of the launch.
static inline size_t group_index(uint dimension) {
  return get_global_id(dimension) / get_local_size(dimension);
}
