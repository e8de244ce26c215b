// x86-64 with AVX-512 and VNNI: as avx512.c, and bytes multiply four times as fast as floats.
#if defined(__x86_64__)
#define KERNELS csimd_avx512vnni
#define KERNELS_NAME "avx512vnni"
#define TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"
#define HAS_FMA
#define HAS_HALF
#define WIDTH 16
#define COLUMNS 2
#define QUERY_BLOCK 14
#define SCORED_ROWS 4
#define ESTIMATED_ROWS 8
#define FLOAT_COST 4
#define DOT4(sums, rows, query) \
  (ints) _mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(rows), (__m512i)(query))
#define DOT2(sums, a, b) (ints) _mm512_dpwssd_epi32((__m512i)(sums), (__m512i)(a), (__m512i)(b))
#include "compress_avx512.h"
#define LOOKUP(table, indices) (bytes)_mm512_shuffle_epi8((__m512i)(table), (__m512i)(indices))
#include "kernels.h"
#endif
