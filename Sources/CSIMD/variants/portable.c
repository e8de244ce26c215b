// Any processor: whatever the compiler's baseline offers (SSE2 on x86-64): 12 of 16
// registers accumulate.
#define KERNELS csimd_portable
#define KERNELS_NAME "portable"
#define WIDTH 4
#define COLUMNS 2
#define QUERY_BLOCK 6
#define SCORED_ROWS 1
#define ESTIMATED_ROWS 1
#include "../kernels.h"
