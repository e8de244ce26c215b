// x86-64 with AVX2 and FMA: 12 of 16 registers accumulate, half a panel at a time.
#if defined(__x86_64__)
#define KERNELS csimd_avx2
#define KERNELS_NAME "avx2"
#define TARGET "avx2,fma,f16c"
#define HAS_FMA
#define HAS_HALF
#define WIDTH 8
#define COLUMNS 2
#define QUERY_BLOCK 6
#define SCORED_ROWS 2
#define ESTIMATED_ROWS 2
#include "kernels.h"
#endif
