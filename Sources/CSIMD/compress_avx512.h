// Gathering the kept lanes of a register with AVX-512: compressed in a register, because
// compressing to memory is microcoded on Zen 4.
#include <immintrin.h>
#define COMPRESS(target, lanes, kept) \
  _mm512_storeu_si512(target, _mm512_maskz_compress_epi32( \
                                  _mm512_movepi32_mask((__m512i)(kept)), (__m512i)(lanes)))
#define COUNT_KEPT(kept) (size_t)__builtin_popcount(_mm512_movepi32_mask((__m512i)(kept)))
