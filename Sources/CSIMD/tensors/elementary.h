// Elementary functions in vector types: the macros that elementary.cl is written in, and its
// functions over arrays. Part of kernels.h, and of Tests/ElementaryCheck/software.c, which leaves out
// the instructions for quotients and roots (TESSERA_SOFTWARE).

typedef uint32_t uints __attribute__((vector_size(WIDTH * 4)));
typedef uint64_t ulongs __attribute__((vector_size(WIDTH * 8)));

// The constant in every lane; subtracting zero keeps a zero's sign.
INLINE floats all_floats(float c) { return c - (floats){0}; }
INLINE ints all_ints(int32_t c) { return c - (ints){0}; }
INLINE uints all_uints(uint32_t c) { return c - (uints){0}; }

INLINE uints multiply_high(uints a, uints b) {
  ulongs product = __builtin_convertvector(a, ulongs) * __builtin_convertvector(b, ulongs);
  return __builtin_convertvector(product >> 32, uints);
}

#define tessera_float floats
#define tessera_int ints
#define tessera_uint uints
#define TESSERA_INLINE INLINE
// Where the processor lacks the instruction, the C library's function: slow, but the same bits.
#define TESSERA_FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#define TESSERA_AS_FLOAT(x) ((floats)(x))
#define TESSERA_AS_INT(x) ((ints)(x))
#define TESSERA_AS_UINT(x) ((uints)(x))
#define TESSERA_TO_FLOAT(x) __builtin_convertvector(x, floats)
#define TESSERA_SELECT(mask, yes, no) \
  ((__typeof__(no))(((ints)(mask) & (ints)(yes)) | (~(ints)(mask) & (ints)(no))))
#define TESSERA_ANY(mask) (__builtin_reduce_or(mask) != 0)
#define TESSERA_FLOAT(c) all_floats(c)
#define TESSERA_INT(c) all_ints(c)
#define TESSERA_UINT(c) all_uints(c)
#define TESSERA_MULTIPLY_HIGH(a, b) multiply_high(a, b)
#ifndef TESSERA_SOFTWARE
#define TESSERA_DIVIDE(a, b) ((a) / (b))
#define TESSERA_SQUARE_ROOT(x) __builtin_elementwise_sqrt(x)
#endif

#include "../../../Kernels/cl/tensors/elementary.cl"

// The last numbers are computed beside ones, so that their bits are those they would have anywhere.
#define APPLY(result)                                              \
  {                                                                \
    size_t i = 0;                                                  \
    for (; i + WIDTH <= count; i += WIDTH) {                       \
      floats x = *(const floats_anywhere *)(numbers + i);          \
      floats y = *(const floats_anywhere *)(others + i);           \
      (void)y;                                                     \
      *(floats_anywhere *)(target + i) = result;                   \
    }                                                              \
    if (i < count) {                                               \
      floats x = all_floats(1), y = x;                             \
      memcpy(&x, numbers + i, (count - i) * 4);                    \
      memcpy(&y, others + i, (count - i) * 4);                     \
      floats last = result;                                        \
      memcpy(target + i, &last, (count - i) * 4);                  \
    }                                                              \
    return;                                                        \
  }

static void apply_function(int32_t function, const float *numbers, const float *others,
                           size_t count, float *target) {
  if (!others) others = numbers;
  switch (function) {
  case CSIMD_EXP: APPLY(tessera_exp(x))
  case CSIMD_LOG: APPLY(tessera_log(x))
  case CSIMD_SIN: APPLY(tessera_sin(x))
  case CSIMD_COS: APPLY(tessera_cos(x))
  case CSIMD_TANH: APPLY(tessera_tanh(x))
  case CSIMD_ERF: APPLY(tessera_erf(x))
  case CSIMD_SIGMOID: APPLY(tessera_sigmoid(x))
  case CSIMD_SOFTPLUS: APPLY(tessera_softplus(x))
  case CSIMD_SQUARE_ROOT: APPLY(tessera_sqrt(x))
  case CSIMD_RECIPROCAL_ROOT: APPLY(tessera_rsqrt(x))
  case CSIMD_DIVIDE: APPLY(tessera_divide(x, y))
  }
}
