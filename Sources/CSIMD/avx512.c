// x86-64 with AVX-512: 28 of 32 registers accumulate, a whole panel at a time. Bytes as in
// avx2.c.
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
#define FLOAT_COST 2.5f
#define PAIRS(rows, query) _mm512_maddubs_epi16((__m512i)(rows), (__m512i)(query))
#define WIDE(pairs) (ints) _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))
#define DOT4(sums, rows, query) (sums) + WIDE(PAIRS(rows, query))
#define DOT8(sums, rows, query, more_rows, more_query) \
  (sums) + WIDE(_mm512_add_epi16(PAIRS(rows, query), PAIRS(more_rows, more_query)))
#define DOT2(sums, a, b) (sums) + (ints)_mm512_madd_epi16((__m512i)(a), (__m512i)(b))
#define LOOKUP(table, indices) (bytes)_mm512_shuffle_epi8((__m512i)(table), (__m512i)(indices))
#include "kernels.h"
#endif
