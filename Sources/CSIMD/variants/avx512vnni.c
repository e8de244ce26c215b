// x86-64 with AVX-512 and VNNI.
#if defined(__x86_64__)
#define KERNELS csimd_avx512vnni
#define KERNELS_NAME "avx512vnni"
#define TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"
#define USE_VNNI
#include "avx512.h"
#include "../kernels.h"
#endif
