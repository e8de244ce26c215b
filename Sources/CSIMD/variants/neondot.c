// 64-bit ARM with dot products of bytes (Armv8.2 DotProd): as neon.c, and an instruction multiplies
// four times as many bytes as floats.
#if defined(__aarch64__)
#include <arm_neon.h>
#define KERNELS csimd_neondot
#define KERNELS_NAME "neondot"
#define TARGET "dotprod"
#define WIDTH 4
#define COLUMNS 4
#define QUERY_BLOCK 6
#define SCORED_ROWS 2
#define ESTIMATED_ROWS 2
#define FLOAT_COST 4
// Signed bytes only: those of rows are taken less 128, which has to be made up for.
#define DOT4_ZERO 128
#define DOT4_ROWS(rows) ((rows) ^ (int32_t)0x80808080)
#define DOT4(sums, rows, query) \
  (ints) vdotq_s32((int32x4_t)(sums), (int8x16_t)(rows), (int8x16_t)(query))
#include "lookup_neon.h"
#include "../kernels.h"
#endif
