// The few functions of OpenCL C's library that the matrix kernels call, for clang's GPU targets,
// which come without one: enough for scripts/check-matrix-units.sh to compile whole kernels.
#define LIBRARY __attribute__((overloadable, always_inline))

#ifdef __NVPTX__
#define asm __asm__
#define LOCAL_ID() __nvvm_read_ptx_sreg_tid_x()
#define GROUP_ID(d) (d == 0 ? __nvvm_read_ptx_sreg_ctaid_x() : __nvvm_read_ptx_sreg_ctaid_y())
#define LOCAL_SIZE(d) (d == 0 ? __nvvm_read_ptx_sreg_ntid_x() : __nvvm_read_ptx_sreg_ntid_y())
#define BARRIER() __nvvm_bar_sync(0)
#else
#define LOCAL_ID() __builtin_amdgcn_workitem_id_x()
#define GROUP_ID(d) (d == 0 ? __builtin_amdgcn_workgroup_id_x() : __builtin_amdgcn_workgroup_id_y())
#define LOCAL_SIZE(d) \
  (d == 0 ? __builtin_amdgcn_workgroup_size_x() : __builtin_amdgcn_workgroup_size_y())
#define BARRIER()                                                 \
  do {                                                            \
    __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, "workgroup");        \
    __builtin_amdgcn_s_barrier();                                 \
    __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, "workgroup");        \
  } while (0)
#endif

#define get_local_id(d) ((size_t)(d == 0 ? LOCAL_ID() : 0))
#define get_local_size(d) ((size_t)LOCAL_SIZE(d))
#define get_global_id(d) ((size_t)GROUP_ID(d) * LOCAL_SIZE(d) + get_local_id(d))
#define barrier(fences) BARRIER()

LIBRARY float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
LIBRARY uint min(uint a, uint b) { return a < b ? a : b; }
LIBRARY float2 vload2(size_t i, const __global float *p) { return (float2)(p[2 * i], p[2 * i + 1]); }
LIBRARY uint2 vload2(size_t i, const __global uint *p) { return (uint2)(p[2 * i], p[2 * i + 1]); }

#define LOAD_AND_STORE(number)                                                                  \
  LIBRARY number##4 vload4(size_t i, const number *p) {                                         \
    p += 4 * i;                                                                                 \
    return (number##4)(p[0], p[1], p[2], p[3]);                                                 \
  }                                                                                             \
  LIBRARY number##8 vload8(size_t i, const number *p) {                                         \
    p += 8 * i;                                                                                 \
    return (number##8)(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]);                         \
  }                                                                                             \
  LIBRARY void vstore4(number##4 v, size_t i, number *p) {                                      \
    p += 4 * i;                                                                                 \
    p[0] = v.s0, p[1] = v.s1, p[2] = v.s2, p[3] = v.s3;                                         \
  }                                                                                             \
  LIBRARY void vstore8(number##8 v, size_t i, number *p) {                                      \
    p += 8 * i;                                                                                 \
    p[0] = v.s0, p[1] = v.s1, p[2] = v.s2, p[3] = v.s3;                                         \
    p[4] = v.s4, p[5] = v.s5, p[6] = v.s6, p[7] = v.s7;                                         \
  }
LOAD_AND_STORE(float)
LOAD_AND_STORE(int)
LOAD_AND_STORE(uint)

LIBRARY float4 vload4(size_t i, const __global float *p) {
  return *(const __global float4 *)(p + 4 * i);
}

LIBRARY uint atomic_add(volatile __global uint *p, uint value) {
  return __sync_fetch_and_add(p, value);
}
LIBRARY uint atomic_or(volatile __local uint *p, uint value) {
  return __sync_fetch_and_or(p, value);
}
