// x86-64 with AVX-512, VNNI and VBMI: bytes are shuffled over a whole register.
#if defined(__x86_64__)
#define KERNELS csimd_avx512vbmi
#define KERNELS_NAME "avx512vbmi"
#define TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx2,fma,f16c"
#define USE_VNNI
#include "avx512.h"
#define LOOKUP_SUBSPACES(table, indices) \
  (bytes)_mm512_permutexvar_epi8((__m512i)(indices), (__m512i)(table))
// Seven bits of an index reach two registers; the eighth chooses between two such pairs.
#define LOOKUP_BYTES(entries, indices)                                                      \
  (bytes)_mm512_mask_blend_epi8(                                                            \
      _mm512_movepi8_mask((__m512i)(indices)),                                              \
      _mm512_permutex2var_epi8((__m512i)(entries)[0], (__m512i)(indices), (__m512i)(entries)[1]), \
      _mm512_permutex2var_epi8((__m512i)(entries)[2], (__m512i)(indices), (__m512i)(entries)[3]))
#include "../kernels.h"
#endif
