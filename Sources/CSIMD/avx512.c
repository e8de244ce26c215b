// x86-64 with AVX-512: 28 of 32 registers accumulate, a whole panel at a time.
#if defined(__x86_64__)
#define KERNELS csimd_avx512
#define KERNELS_NAME "avx512"
#define TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
#define HAS_FMA
#define HAS_HALF
#define WIDTH 16
#define COLUMNS 2
#define QUERY_BLOCK 14
#define SCORED_ROWS 4
#define ESTIMATED_ROWS 8
#include "compress_avx512.h"
#include "kernels.h"
#endif
