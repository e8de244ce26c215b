// Elementary functions of Float32 whose results are the same bits on every device and processor:
//
//   tessera_exp, tessera_log, tessera_sin, tessera_cos, tessera_tanh, tessera_erf,
//   tessera_sigmoid(x) = 1 / (1 + exp(-x)), tessera_softplus(x) = log(1 + exp(x)),
//   tessera_sqrt, tessera_rsqrt(x) = 1 / sqrt(x), tessera_divide(a, b) = a / b
//
// One text for OpenCL C, where it goes before kernels, and for C, where CSIMD/tensors/elementary.h
// includes it. ElementaryFunction.swift is the specification: the same steps in the same order, with
// the error of each function, where its constants come from, and what it gives at the ends.
//
// How: additions, subtractions, products, fused multiply-adds, comparisons, whole numbers and casts
// of bits, which IEEE 754 leaves no choice in; nothing is fused that is not written so. A sum whose
// rounding would cost too much is kept as a pair: a number, and what rounding took from it. Wrong on
// devices that flush subnormal numbers to zero: a probe finds those.
//
// Layout: a tessera_float holds LANES numbers, each computed as if it were alone.
//
// Macros
//   LANES            numbers in a tessera_float of OpenCL C: 1, 2, 4, 8 or 16 (1)
//   TESSERA_DIVIDE, TESSERA_SQUARE_ROOT
//                    C only: instructions that round correctly. Without them both are made of the
//                    steps below, and give the same bits.
// For C the types and macros of the block below are defined before, TESSERA_INLINE among them.

#ifndef TESSERA_INLINE
#pragma OPENCL FP_CONTRACT OFF
#ifdef __clang__
// Everything is inlined, so no ABI is involved in passing vectors wider than a register.
#pragma clang diagnostic ignored "-Wpsabi"
#endif
#ifndef LANES
#define LANES 1
#endif
#define TESSERA_INLINE static inline
#define TESSERA_FMA(a, b, c) fma(a, b, c)
#if LANES == 1
typedef float tessera_float;
typedef int tessera_int;
typedef uint tessera_uint;
#define TESSERA_AS_FLOAT(x) as_float(x)
#define TESSERA_AS_INT(x) as_int(x)
#define TESSERA_AS_UINT(x) as_uint(x)
#define TESSERA_TO_FLOAT(x) convert_float(x)
#define TESSERA_SELECT(mask, yes, no) ((mask) ? (yes) : (no))
#define TESSERA_ANY(mask) (mask)
#else
#define TESSERA_JOIN2(a, b) a##b
#define TESSERA_JOIN(a, b) TESSERA_JOIN2(a, b)
typedef TESSERA_JOIN(float, LANES) tessera_float;
typedef TESSERA_JOIN(int, LANES) tessera_int;
typedef TESSERA_JOIN(uint, LANES) tessera_uint;
#define TESSERA_AS_FLOAT(x) TESSERA_JOIN(as_float, LANES)(x)
#define TESSERA_AS_INT(x) TESSERA_JOIN(as_int, LANES)(x)
#define TESSERA_AS_UINT(x) TESSERA_JOIN(as_uint, LANES)(x)
#define TESSERA_TO_FLOAT(x) TESSERA_JOIN(convert_float, LANES)(x)
#define TESSERA_SELECT(mask, yes, no) select(no, yes, mask)
#define TESSERA_ANY(mask) any(mask)
#endif
// The constant in every lane.
#define TESSERA_FLOAT(c) ((tessera_float)(c))
#define TESSERA_INT(c) ((tessera_int)(c))
#define TESSERA_UINT(c) ((tessera_uint)(c))
#define TESSERA_MULTIPLY_HIGH(a, b) mul_hi(a, b)
#endif

// The one NaN that comes out, whatever went in.
#define TESSERA_NAN TESSERA_AS_FLOAT(TESSERA_UINT(0x7FC00000u))
#define TESSERA_INFINITY TESSERA_AS_FLOAT(TESSERA_UINT(0x7F800000u))
// Numbers below this are subnormal.
#define TESSERA_LEAST_NORMAL 0x1p-126f
// A Float32 of this size holds whole numbers only: adding it rounds to one.
#define TESSERA_ROUNDER 0x1.8p23f

// ln 2 and pi / 2 in parts. The first part of ln 2 has 15 bits, so that its product with an exponent
// is exact.
#define TESSERA_LN2_A 0x1.62e4p-1f
#define TESSERA_LN2_B 0x1.7f7d1cp-20f
#define TESSERA_HALF_PI_A 0x1.921fb6p+0f
#define TESSERA_HALF_PI_B -0x1.777a5cp-25f
#define TESSERA_HALF_PI_C -0x1.ee59dap-50f

// A step of Horner's scheme.
TESSERA_INLINE tessera_float tessera_step(tessera_float sum, tessera_float x, float coefficient) {
  return TESSERA_FMA(sum, x, TESSERA_FLOAT(coefficient));
}

TESSERA_INLINE tessera_float tessera_magnitude(tessera_float x) {
  return TESSERA_AS_FLOAT(TESSERA_AS_INT(x) & 0x7FFFFFFF);
}

// `magnitude`, not below zero, with the sign of `x`.
TESSERA_INLINE tessera_float tessera_signed(tessera_float magnitude, tessera_float x) {
  return TESSERA_AS_FLOAT(TESSERA_AS_INT(magnitude) | (TESSERA_AS_INT(x) & ~0x7FFFFFFF));
}

// 2^k for k in -126...127.
TESSERA_INLINE tessera_float tessera_power_of_two(tessera_int k) {
  return TESSERA_AS_FLOAT((k + 127) << 23);
}

// x * 2^k for k in -252...254, rounded once: the first product is exact where x is near 1.
TESSERA_INLINE tessera_float tessera_scale(tessera_float x, tessera_int k) {
  tessera_int first = k >> 1;
  return x * tessera_power_of_two(first) * tessera_power_of_two(k - first);
}

// Gives `result` where x is a number, else NaN.
TESSERA_INLINE tessera_float tessera_unless_nan(tessera_float x, tessera_float result) {
  return TESSERA_SELECT(x != x, TESSERA_NAN, result);
}

// 1 / x with a relative error of at most 2^-18, for x in 1...2.
TESSERA_INLINE tessera_float tessera_near_reciprocal(tessera_float x) {
  tessera_float y = TESSERA_FLOAT(-0x1.c65256p-3f);
  y = tessera_step(y, x, 0x1.54bdcap+0f);
  y = tessera_step(y, x, -0x1.783c44p+1f);
  y = tessera_step(y, x, 0x1.6a09bap+1f);
  return TESSERA_FMA(TESSERA_FMA(-x, y, TESSERA_FLOAT(1.0f)), y, y);
}

// (a + a_low) / (b + b_low) for b in 1...2, where the second parts are small.
TESSERA_INLINE tessera_float tessera_divide_pairs(tessera_float a, tessera_float a_low,
                                                  tessera_float b, tessera_float b_low) {
  tessera_float y = tessera_near_reciprocal(b);
  tessera_float quotient = a * y;
  tessera_float rest = TESSERA_FMA(-b, quotient, a);
  rest = TESSERA_FMA(-b_low, quotient, rest + a_low);
  return TESSERA_FMA(rest, y, quotient);
}

// Quotient and square root, correctly rounded.

#ifdef TESSERA_DIVIDE
TESSERA_INLINE tessera_float tessera_divide(tessera_float a, tessera_float b) {
  tessera_float quotient = TESSERA_DIVIDE(a, b);
  return tessera_unless_nan(quotient, quotient);
}
#else
TESSERA_INLINE tessera_float tessera_divide(tessera_float a, tessera_float b) {
  tessera_float one = TESSERA_FLOAT(1.0f);
  // Both as a number in 1..<2 and an exponent.
  tessera_float size_a = tessera_magnitude(a);
  tessera_float size_b = tessera_magnitude(b);
  tessera_int small_a = size_a < TESSERA_LEAST_NORMAL;
  tessera_int small_b = size_b < TESSERA_LEAST_NORMAL;
  tessera_int bits_a = TESSERA_AS_INT(TESSERA_SELECT(small_a, size_a * 0x1p24f, size_a));
  tessera_int bits_b = TESSERA_AS_INT(TESSERA_SELECT(small_b, size_b * 0x1p24f, size_b));
  tessera_int exponent = (bits_a >> 23) - (bits_b >> 23);
  exponent = TESSERA_SELECT(small_a, exponent - 24, exponent);
  exponent = TESSERA_SELECT(small_b, exponent + 24, exponent);
  tessera_float m = TESSERA_AS_FLOAT((bits_a & 0x7FFFFF) | 0x3F800000);
  tessera_float n = TESSERA_AS_FLOAT((bits_b & 0x7FFFFF) | 0x3F800000);
  // Markstein's corrections: the rest of the division is exact, so the quotient gets within a few
  // 2^-46 of the rounded one.
  tessera_float y = tessera_near_reciprocal(n);
  y = TESSERA_FMA(TESSERA_FMA(-n, y, one), y, y);
  tessera_float q = m * y;
  q = TESSERA_FMA(TESSERA_FMA(-n, q, m), y, q);
  // What is left decides: more than half of a last place moves the quotient by one. It is never
  // just half.
  tessera_float rest = TESSERA_FMA(-n, q, m);
  tessera_float place = TESSERA_SELECT(q < 1.0f, TESSERA_FLOAT(0x1p-24f), TESSERA_FLOAT(0x1p-23f));
  tessera_float limit = 0.5f * n * place;
  q = TESSERA_SELECT(rest > limit, q + place, q);
  q = TESSERA_SELECT(rest < -limit, q - place, q);
  tessera_int bits = TESSERA_AS_INT(q);
  tessera_int biased = (bits >> 23) + exponent;
  tessera_int result = bits + (exponent << 23);
  result = TESSERA_SELECT(biased > 254, TESSERA_INT(0x7F800000), result);
  // A subnormal quotient is rounded from the digits and the sign of what is left, at once.
  rest = TESSERA_FMA(-n, q, m);
  tessera_int digits = ((bits & 0x7FFFFF) | 0x800000) << 2;
  digits = TESSERA_SELECT(rest > 0.0f, digits + 1, digits);
  digits = TESSERA_SELECT(rest < 0.0f, digits - 1, digits);
  tessera_int shift = TESSERA_SELECT(biased < -24, TESSERA_INT(27), 3 - biased);
  tessera_int is_small = biased < 1;
  shift = TESSERA_SELECT(is_small, shift, TESSERA_INT(3));
  tessera_int low = digits >> shift;
  low = (digits + (TESSERA_INT(1) << (shift - 1)) - 1 + (low & 1)) >> shift;
  result = TESSERA_SELECT(is_small, low, result);
  tessera_float quotient = TESSERA_AS_FLOAT(result);
  // The ends.
  tessera_float infinity = TESSERA_INFINITY;
  tessera_float zero = TESSERA_FLOAT(0.0f);
  quotient = TESSERA_SELECT((size_a == 0.0f) | (size_b == infinity), zero, quotient);
  quotient = TESSERA_SELECT((size_a == infinity) | (size_b == 0.0f), infinity, quotient);
  quotient = TESSERA_AS_FLOAT(TESSERA_AS_INT(quotient) |
                              ((TESSERA_AS_INT(a) ^ TESSERA_AS_INT(b)) & ~0x7FFFFFFF));
  tessera_int undefined = ((size_a == 0.0f) & (size_b == 0.0f)) |
                          ((size_a == infinity) & (size_b == infinity)) | (a != a) | (b != b);
  return TESSERA_SELECT(undefined, TESSERA_NAN, quotient);
}
#endif

// A number above zero as m * 4^exponent, m in 1..<4, and 1 / sqrt(m) with a relative error of at most 2^-17.
typedef struct {
  tessera_float m, near_inverse;
  tessera_int exponent;
} tessera_root;

TESSERA_INLINE tessera_root tessera_near_root(tessera_float x) {
  tessera_int small = x < TESSERA_LEAST_NORMAL;
  tessera_int bits = TESSERA_AS_INT(TESSERA_SELECT(small, x * 0x1p24f, x));
  tessera_int power = (bits >> 23) - 127;
  tessera_root root;
  root.m = TESSERA_AS_FLOAT((bits & 0x7FFFFF) + ((127 + (power & 1)) << 23));
  root.exponent = power >> 1;
  root.exponent = TESSERA_SELECT(small, root.exponent - 12, root.exponent);
  // Half of the exponent and a straight line, then Newton's steps.
  tessera_float y = TESSERA_AS_FLOAT(0x5F375A86 - (TESSERA_AS_INT(root.m) >> 1));
  tessera_float minus_half = -0.5f * root.m;
  y = y * TESSERA_FMA(minus_half * y, y, TESSERA_FLOAT(1.5f));
  y = y * TESSERA_FMA(minus_half * y, y, TESSERA_FLOAT(1.5f));
  root.near_inverse = y;
  return root;
}

// A root's result at the ends of the line.
TESSERA_INLINE tessera_float tessera_root_ends(tessera_float x, tessera_float result,
                                               tessera_float at_zero, tessera_float at_infinity) {
  result = TESSERA_SELECT(x == TESSERA_INFINITY, at_infinity, result);
  result = TESSERA_SELECT(x == 0.0f, at_zero, result);
  return TESSERA_SELECT((x < 0.0f) | (x != x), TESSERA_NAN, result);
}

#ifdef TESSERA_SQUARE_ROOT
TESSERA_INLINE tessera_float tessera_sqrt(tessera_float x) {
  tessera_float root = TESSERA_SQUARE_ROOT(x);
  return tessera_unless_nan(root, root);
}
#else
TESSERA_INLINE tessera_float tessera_sqrt(tessera_float x) {
  tessera_root root = tessera_near_root(x);
  tessera_float y = root.near_inverse;
  tessera_float g = root.m * y;
  tessera_float h = 0.5f * y;
  tessera_float rest = TESSERA_FMA(-g, h, TESSERA_FLOAT(0.5f));
  g = TESSERA_FMA(g, rest, g);
  h = TESSERA_FMA(h, rest, h);
  g = TESSERA_FMA(TESSERA_FMA(-g, g, root.m), h, g);
  return tessera_root_ends(x, g * tessera_power_of_two(root.exponent), x, x);
}
#endif

TESSERA_INLINE tessera_float tessera_rsqrt(tessera_float x) {
  tessera_root root = tessera_near_root(x);
  tessera_float y = root.near_inverse;
  // The last step with m y in two parts.
  tessera_float g = root.m * y;
  tessera_float g_low = TESSERA_FMA(root.m, y, -g);
  tessera_float rest = TESSERA_FMA(-g, y, TESSERA_FLOAT(1.0f));
  rest = TESSERA_FMA(-g_low, y, rest);
  y = TESSERA_FMA(0.5f * y, rest, y);
  return tessera_root_ends(x, y * tessera_power_of_two(-root.exponent),
                           tessera_signed(TESSERA_INFINITY, x), TESSERA_FLOAT(0.0f));
}

// Exponential and what is made of it.

// e^x = 2^k (1 + r + c), where |r| is at most about ln 2 / 2 and c is small.
typedef struct {
  tessera_float r, c;
  tessera_int k;
} tessera_exponential;

// For x in -104...89.
TESSERA_INLINE tessera_exponential tessera_expand(tessera_float x) {
  tessera_exponential e;
  tessera_float shifted =
      TESSERA_FMA(x, TESSERA_FLOAT(0x1.715476p+0f), TESSERA_FLOAT(TESSERA_ROUNDER));
  e.k = TESSERA_AS_INT(shifted) - 0x4B400000;
  tessera_float n = shifted - TESSERA_ROUNDER;
  tessera_float ln2_b = TESSERA_FLOAT(-TESSERA_LN2_B);
  tessera_float rest = TESSERA_FMA(n, TESSERA_FLOAT(-TESSERA_LN2_A), x);
  e.r = TESSERA_FMA(n, ln2_b, rest);
  tessera_float r_low = TESSERA_FMA(n, ln2_b, rest - e.r);
  tessera_float p = TESSERA_FLOAT(0x1.9df7aap-13f);
  p = tessera_step(p, e.r, 0x1.6d4ccep-10f);
  p = tessera_step(p, e.r, 0x1.11131p-7f);
  p = tessera_step(p, e.r, 0x1.5554e8p-5f);
  p = tessera_step(p, e.r, 0x1.555554p-3f);
  p = tessera_step(p, e.r, 0x1p-1f);
  e.c = TESSERA_FMA(e.r * e.r, p, r_low);
  return e;
}

TESSERA_INLINE tessera_float tessera_exp(tessera_float x) {
  // Beyond these the result is 0 or infinity, and NaN passes.
  tessera_float bounded = TESSERA_SELECT(x < -104.0f, TESSERA_FLOAT(-104.0f), x);
  bounded = TESSERA_SELECT(x > 89.0f, TESSERA_FLOAT(89.0f), bounded);
  tessera_exponential e = tessera_expand(bounded);
  tessera_float sum = 1.0f + e.r;
  sum = sum + ((e.r - (sum - 1.0f)) + e.c);
  return tessera_unless_nan(x, tessera_scale(sum, e.k));
}

TESSERA_INLINE tessera_float tessera_sigmoid(tessera_float x) {
  // e^-|x| / (1 + e^-|x|), or 1 over the same, with the exponential in two parts.
  tessera_float size = tessera_magnitude(x);
  tessera_exponential e =
      tessera_expand(TESSERA_SELECT(size > 104.0f, TESSERA_FLOAT(-104.0f), -size));
  tessera_float one = TESSERA_FLOAT(1.0f);
  tessera_float zero = TESSERA_FLOAT(0.0f);
  tessera_float sum = 1.0f + e.r;
  tessera_float small = (e.r - (sum - 1.0f)) + e.c;
  tessera_float high = sum + small;
  tessera_float low = (sum - high) + small;
  tessera_float power = tessera_scale(high, e.k);
  tessera_float bottom = 1.0f + power;
  tessera_float bottom_low = (power - (bottom - 1.0f)) + tessera_scale(low, e.k);
  tessera_int negative = x < 0.0f;
  tessera_float quotient =
      tessera_divide_pairs(TESSERA_SELECT(negative, high, one), TESSERA_SELECT(negative, low, zero),
                           bottom, bottom_low);
  return tessera_unless_nan(x,
                            TESSERA_SELECT(negative, tessera_scale(quotient, e.k), quotient));
}

TESSERA_INLINE tessera_float tessera_tanh(tessera_float x) {
  // (1 - e^-2|x|) / (1 + e^-2|x|). With e^-2|x| = w + w t, the parts 1 - w and 1 + w lose nothing.
  tessera_float size = tessera_magnitude(x);
  tessera_exponential e =
      tessera_expand(TESSERA_SELECT(size > 20.0f, TESSERA_FLOAT(-40.0f), -2.0f * size));
  tessera_float w = tessera_power_of_two(e.k);
  tessera_float t = e.r + e.c;
  tessera_float part = w * t;
  tessera_float part_low = w * ((e.r - t) + e.c);
  tessera_float top = 1.0f - w;
  tessera_float top_low = (1.0f - top) - w;
  tessera_float a = top - part;
  tessera_float a_low = ((top - a) - part) + (top_low - part_low);
  tessera_float bottom = 1.0f + w;
  tessera_float bottom_low = (1.0f - bottom) + w;
  tessera_float b = bottom + part;
  tessera_float b_low = ((bottom - b) + part) + (bottom_low + part_low);
  // Near zero tanh x is x.
  tessera_float result =
      TESSERA_SELECT(size < 0x1p-12f, size, tessera_divide_pairs(a, a_low, b, b_low));
  return tessera_unless_nan(x, tessera_signed(result, x));
}

// high + low + log(1 + f) - f for f in -1/3...1/3, where |high| is at least f^2 / 2 and low is small:
// f^2 / 2 keeps its own rounding and that of the difference.
TESSERA_INLINE tessera_float tessera_add_log(tessera_float high, tessera_float low,
                                             tessera_float f) {
  tessera_float p = TESSERA_FLOAT(-0x1.07ca6ep-3f);
  p = tessera_step(p, f, 0x1.1e6c56p-3f);
  p = tessera_step(p, f, -0x1.f3306ep-4f);
  p = tessera_step(p, f, 0x1.1ed582p-3f);
  p = tessera_step(p, f, -0x1.559c74p-3f);
  p = tessera_step(p, f, 0x1.99d04ep-3f);
  p = tessera_step(p, f, -0x1.fffefap-3f);
  p = tessera_step(p, f, 0x1.555506p-2f);
  tessera_float minus_half = TESSERA_FLOAT(-0.5f);
  tessera_float square = f * f;
  tessera_float square_low = TESSERA_FMA(f, f, -square);
  tessera_float sum = TESSERA_FMA(minus_half, square, high);
  low = low + TESSERA_FMA(minus_half, square, high - sum);
  low = TESSERA_FMA(minus_half, square_low, low);
  return sum + TESSERA_FMA(square, f * p, low);
}

TESSERA_INLINE tessera_float tessera_log(tessera_float x) {
  // x = 2^k (1 + f), 1 + f in 2/3..<4/3.
  tessera_int small = x < TESSERA_LEAST_NORMAL;
  tessera_uint bits = TESSERA_AS_UINT(TESSERA_SELECT(small, x * 0x1p24f, x));
  tessera_int k = TESSERA_AS_INT(bits - 0x3F2AAAABu) >> 23;
  tessera_float f = TESSERA_AS_FLOAT(bits - (TESSERA_AS_UINT(k) << 23)) - 1.0f;
  k = TESSERA_SELECT(small, k - 24, k);
  tessera_float n = TESSERA_TO_FLOAT(k);
  tessera_float base = n * TESSERA_LN2_A;
  tessera_float sum = base + f;
  tessera_float low = f - (sum - base);
  low = TESSERA_FMA(n, TESSERA_FLOAT(TESSERA_LN2_B), low);
  tessera_float result = tessera_add_log(sum, low, f);
  result = TESSERA_SELECT(x == TESSERA_INFINITY, x, result);
  result = TESSERA_SELECT(x == 0.0f, -TESSERA_INFINITY, result);
  return TESSERA_SELECT((x < 0.0f) | (x != x), TESSERA_NAN, result);
}

TESSERA_INLINE tessera_float tessera_softplus(tessera_float x) {
  // max(x, 0) + log(1 + e^-|x|), and 1 + e^-|x| = 2^k (1 + f) with k 0 or 1.
  tessera_float size = tessera_magnitude(x);
  tessera_exponential e =
      tessera_expand(TESSERA_SELECT(size > 104.0f, TESSERA_FLOAT(-104.0f), -size));
  tessera_float zero = TESSERA_FLOAT(0.0f);
  tessera_float sum = 1.0f + e.r;
  tessera_float small = (e.r - (sum - 1.0f)) + e.c;
  tessera_float high = sum + small;
  tessera_float power = tessera_scale(high, e.k);
  tessera_float power_low = tessera_scale((sum - high) + small, e.k);
  tessera_int large = power > 0x1.555556p-2f;
  tessera_float f = TESSERA_SELECT(large, 0.5f * power - 0.5f, power);
  tessera_float f_low =
      TESSERA_SELECT(large, (0.5f * power - (f + 0.5f)) + 0.5f * power_low, power_low);
  tessera_float base = TESSERA_SELECT(large, TESSERA_FLOAT(TESSERA_LN2_A), zero);
  tessera_float first = base + f;
  tessera_float low = f - (first - base);
  low = low + TESSERA_SELECT(large, TESSERA_FLOAT(TESSERA_LN2_B), zero);
  low = TESSERA_FMA(f_low, 1.0f - f, low);
  // The sum with max(x, 0), and what its rounding takes.
  tessera_float above = TESSERA_SELECT(x > 0.0f, x, zero);
  tessera_float total = above + first;
  tessera_float moved = total - above;
  low = low + ((above - (total - moved)) + (first - moved));
  tessera_float result = TESSERA_SELECT(x > 20.0f, x, tessera_add_log(total, low, f));
  return tessera_unless_nan(x, result);
}

TESSERA_INLINE tessera_float tessera_erf(tessera_float x) {
  tessera_float size = tessera_magnitude(x);
  // Near zero x + x p(x^2).
  tessera_float square = size * size;
  tessera_float p = TESSERA_FLOAT(0x1.4f3dfep-14f);
  p = tessera_step(p, square, -0x1.a6023p-11f);
  p = tessera_step(p, square, 0x1.5449a2p-8f);
  p = tessera_step(p, square, -0x1.b80116p-6f);
  p = tessera_step(p, square, 0x1.ce2d64p-4f);
  p = tessera_step(p, square, -0x1.81274p-2f);
  p = tessera_step(p, square, 0x1.06eba8p-3f);
  tessera_float near_zero = TESSERA_FMA(p, size, size);
  // Elsewhere 1 - e^-(t + t q(t)). From 4 on that is 1.
  tessera_float t = TESSERA_SELECT(size > 4.0f, TESSERA_FLOAT(4.0f), size);
  tessera_float q = TESSERA_FLOAT(0x1.7a128p-17f);
  q = tessera_step(q, t, -0x1.52dc3ap-12f);
  q = tessera_step(q, t, 0x1.dd9d12p-9f);
  q = tessera_step(q, t, -0x1.855dfcp-6f);
  q = tessera_step(q, t, 0x1.b32914p-4f);
  q = tessera_step(q, t, 0x1.453248p-1f);
  q = tessera_step(q, t, 0x1.07792p-3f);
  tessera_float power = TESSERA_FMA(q, t, t);
  tessera_float power_low = TESSERA_FMA(q, t, t - power);
  tessera_exponential e = tessera_expand(-power);
  tessera_float rest = e.r + (e.c - power_low * (1.0f + e.r));
  tessera_float w = tessera_power_of_two(e.k);
  tessera_float far = TESSERA_FMA(-w, rest, 1.0f - w);
  tessera_float result = TESSERA_SELECT(size < 0x1.d8p-1f, near_zero, far);
  return tessera_unless_nan(x, tessera_signed(result, x));
}

// Sine and cosine.

// |x| = pi / 2 (quarters + any multiple of 4) + r + low, |r| at most about pi / 4.
typedef struct {
  tessera_float r, low;
  tessera_int quarters;
} tessera_angle;

// The word of 2 / pi that begins 32 * words bits after the first of five.
#define TESSERA_WORD(words, a, b, c, d, e)                                      \
  TESSERA_SELECT(words == 0, TESSERA_UINT(a),                                   \
  TESSERA_SELECT(words == 1, TESSERA_UINT(b),                                   \
  TESSERA_SELECT(words == 2, TESSERA_UINT(c),                                   \
  TESSERA_SELECT(words == 3, TESSERA_UINT(d), TESSERA_UINT(e)))))

// For |x| of at least 2^-7: Payne and Hanek's way. |x| = m 2^e with a whole m of 24 bits, so of 2 / pi
// only the 96 bits count that follow what makes multiples of 4 of m 2^e 2 / pi.
TESSERA_INLINE tessera_angle tessera_reduce_far(tessera_float size) {
  tessera_uint bits = TESSERA_AS_UINT(size);
  tessera_uint m = (bits & 0x7FFFFFu) | 0x800000u;
  tessera_uint skipped = (bits >> 23) - 120u;
  tessera_uint words = skipped >> 5;
  tessera_uint shift = skipped & 31u;
  tessera_uint first =
      TESSERA_WORD(words, 0u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u);
  tessera_uint second =
      TESSERA_WORD(words, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u);
  tessera_uint third =
      TESSERA_WORD(words, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u);
  tessera_uint fourth =
      TESSERA_WORD(words, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu);
  tessera_uint back = 31u - shift;
  first = (first << shift) | ((second >> 1u) >> back);
  second = (second << shift) | ((third >> 1u) >> back);
  third = (third << shift) | ((fourth >> 1u) >> back);
  // The upper 64 bits of m times those, of which two are quarters.
  tessera_uint carried = TESSERA_MULTIPLY_HIGH(m, third);
  tessera_uint lower = m * second + carried;
  tessera_uint upper = m * first + TESSERA_MULTIPLY_HIGH(m, second);
  upper = TESSERA_SELECT(lower < carried, upper + 1u, upper);
  tessera_angle angle;
  angle.quarters = TESSERA_AS_INT((upper + 0x20000000u) >> 30u);
  upper = upper - (TESSERA_AS_UINT(angle.quarters) << 30u);
  tessera_int negative = TESSERA_AS_INT(upper) < 0;
  tessera_uint flipped = TESSERA_SELECT(lower == 0u, 0u - upper, ~upper);
  upper = TESSERA_SELECT(negative, flipped, upper);
  lower = TESSERA_SELECT(negative, 0u - lower, lower);
  // 62 bits in three numbers that Float32 holds, then in two.
  tessera_float a = TESSERA_TO_FLOAT(TESSERA_AS_INT(upper >> 6u)) * 0x1p-24f;
  tessera_float b =
      TESSERA_TO_FLOAT(TESSERA_AS_INT(((upper & 63u) << 16u) | (lower >> 16u))) * 0x1p-46f;
  tessera_float c = TESSERA_TO_FLOAT(TESSERA_AS_INT(lower & 0xFFFFu)) * 0x1p-62f;
  tessera_float turn = a + b;
  tessera_float turn_low = (b - (turn - a)) + c;
  tessera_float half_pi = TESSERA_FLOAT(TESSERA_HALF_PI_A);
  tessera_float r = turn * half_pi;
  tessera_float low = TESSERA_FMA(turn, half_pi, -r);
  low = TESSERA_FMA(turn, TESSERA_FLOAT(TESSERA_HALF_PI_B), low);
  low = TESSERA_FMA(turn_low, half_pi, low);
  angle.r = TESSERA_SELECT(negative, -r, r);
  angle.low = TESSERA_SELECT(negative, -low, low);
  return angle;
}

TESSERA_INLINE tessera_angle tessera_reduce(tessera_float x) {
  tessera_float size = tessera_magnitude(x);
  // Below 2^15: pi / 2 in three parts. The first difference is exact: both sides are multiples of
  // 2^-24 where there is anything to subtract.
  tessera_float shifted =
      TESSERA_FMA(size, TESSERA_FLOAT(0x1.45f306p-1f), TESSERA_FLOAT(TESSERA_ROUNDER));
  tessera_float n = shifted - TESSERA_ROUNDER;
  tessera_float first = TESSERA_FMA(n, TESSERA_FLOAT(-TESSERA_HALF_PI_A), size);
  tessera_float second = n * TESSERA_HALF_PI_B;
  tessera_float second_low = TESSERA_FMA(n, TESSERA_FLOAT(TESSERA_HALF_PI_B), -second);
  tessera_angle angle;
  angle.quarters = TESSERA_AS_INT(shifted);
  angle.r = first - second;
  tessera_float moved = angle.r - first;
  tessera_float low = (first - (angle.r - moved)) - (second + moved);
  angle.low = TESSERA_FMA(n, TESSERA_FLOAT(-TESSERA_HALF_PI_C), low - second_low);
  tessera_int far = size >= 0x1p15f;
  if (TESSERA_ANY(far)) {
    tessera_angle other = tessera_reduce_far(size);
    angle.r = TESSERA_SELECT(far, other.r, angle.r);
    angle.low = TESSERA_SELECT(far, other.low, angle.low);
    angle.quarters = TESSERA_SELECT(far, other.quarters, angle.quarters);
  }
  return angle;
}

// The sine of an angle that was reduced.
TESSERA_INLINE tessera_float tessera_sine(tessera_float r, tessera_float low, tessera_int quarters) {
  tessera_float square = r * r;
  tessera_float square_low = TESSERA_FMA(r, r, -square);
  tessera_float p = TESSERA_FLOAT(0x1.7c369ep-19f);
  p = tessera_step(p, square, -0x1.a05966p-13f);
  p = tessera_step(p, square, 0x1.111174p-7f);
  p = tessera_step(p, square, -0x1.555556p-3f);
  tessera_float less = 0.5f * square;
  tessera_float even = 1.0f - less;
  tessera_float sine = r + TESSERA_FMA(square * r, p, low * even);
  tessera_float q = TESSERA_FLOAT(0x1.99e90cp-16f);
  q = tessera_step(q, square, -0x1.6c0c2ap-10f);
  q = tessera_step(q, square, 0x1.55554ap-5f);
  tessera_float rest = (1.0f - even) - less;
  rest = TESSERA_FMA(TESSERA_FLOAT(-0.5f), square_low, rest);
  rest = TESSERA_FMA(-r, low, rest);
  tessera_float cosine = even + TESSERA_FMA(square * square, q, rest);
  tessera_float result = TESSERA_SELECT((quarters & 1) != 0, cosine, sine);
  return TESSERA_SELECT((quarters & 2) != 0, -result, result);
}

TESSERA_INLINE tessera_float tessera_sin(tessera_float x) {
  tessera_angle angle = tessera_reduce(x);
  tessera_float sine = tessera_sine(angle.r, angle.low, angle.quarters);
  sine = TESSERA_AS_FLOAT(TESSERA_AS_INT(sine) ^ (TESSERA_AS_INT(x) & ~0x7FFFFFFF));
  return TESSERA_SELECT(tessera_magnitude(x) < TESSERA_INFINITY, sine, TESSERA_NAN);
}

TESSERA_INLINE tessera_float tessera_cos(tessera_float x) {
  tessera_angle angle = tessera_reduce(x);
  tessera_float cosine = tessera_sine(angle.r, angle.low, angle.quarters + 1);
  return TESSERA_SELECT(tessera_magnitude(x) < TESSERA_INFINITY, cosine, TESSERA_NAN);
}
