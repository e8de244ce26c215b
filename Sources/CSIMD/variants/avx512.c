// x86-64 with AVX-512.
#if defined(__x86_64__)
#define KERNELS csimd_avx512
#define KERNELS_NAME "avx512"
#define TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
#include "avx512.h"
#include "../kernels.h"
#endif
