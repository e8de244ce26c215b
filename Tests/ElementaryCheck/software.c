// Quotient and square root as devices compute them that have no instructions which round correctly:
// the same text without those, over arrays.

#include "CSIMD.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wpsabi"
#define INLINE static inline __attribute__((always_inline))
#define WIDTH 8
typedef float floats __attribute__((vector_size(WIDTH * 4)));
typedef int32_t ints __attribute__((vector_size(WIDTH * 4)));
typedef floats floats_anywhere __attribute__((aligned(4)));
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#endif
#define TESSERA_SOFTWARE
#include "../../Sources/CSIMD/tensors/elementary.h"

void software_function(int32_t function, const float *x, const float *y, size_t count,
                       float *target) {
  apply_function(function, x, y, count, target);
}
#if defined(__x86_64__)
#pragma clang attribute pop
#endif
