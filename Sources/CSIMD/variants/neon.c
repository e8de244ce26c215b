// 64-bit ARM, where NEON and fused multiply-add are the baseline: 24 of 32 registers accumulate.
#if defined(__aarch64__)
#include <arm_neon.h>
#define KERNELS csimd_neon
#define KERNELS_NAME "neon"
#define WIDTH 4
#define COLUMNS 4
#define QUERY_BLOCK 6
#define SCORED_ROWS 2
#define ESTIMATED_ROWS 2
#include "lookup_neon.h"
#include "../kernels.h"
#endif
