// The common part of the kernels for AVX-512: 28 of 32 registers accumulate, a whole panel at a
// time.
// Bytes multiply as in avx2.c, or with USE_VNNI defined by its dot products, four times as fast as
// floats.
#include <immintrin.h>
#define HAS_FMA
#define HAS_HALF
#define WIDTH 16
#define COLUMNS 2
#define QUERY_BLOCK 14
#define SCORED_ROWS 4
#define ESTIMATED_ROWS 8
// Kept lanes are compressed in a register, because compressing to memory is microcoded on Zen 4.
#define COMPRESS(target, lanes, kept) \
  _mm512_storeu_si512(target, _mm512_maskz_compress_epi32( \
                                  _mm512_movepi32_mask((__m512i)(kept)), (__m512i)(lanes)))
#define COUNT_KEPT(kept) (size_t)__builtin_popcount(_mm512_movepi32_mask((__m512i)(kept)))
#ifdef USE_VNNI
#define FLOAT_COST 4
#define DOT4(sums, rows, query) \
  (ints) _mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(rows), (__m512i)(query))
#define DOT2(sums, a, b) (ints) _mm512_dpwssd_epi32((__m512i)(sums), (__m512i)(a), (__m512i)(b))
#else
#define FLOAT_COST 2.5f
#define PAIRS(rows, query) _mm512_maddubs_epi16((__m512i)(rows), (__m512i)(query))
#define WIDE(pairs) (ints) _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))
#define DOT4(sums, rows, query) (sums) + WIDE(PAIRS(rows, query))
#define DOT8(sums, rows, query, more_rows, more_query) \
  (sums) + WIDE(_mm512_add_epi16(PAIRS(rows, query), PAIRS(more_rows, more_query)))
#define DOT2(sums, a, b) (sums) + (ints)_mm512_madd_epi16((__m512i)(a), (__m512i)(b))
#endif
// Within each 16 bytes.
#define LOOKUP(table, indices) (bytes)_mm512_shuffle_epi8((__m512i)(table), (__m512i)(indices))
