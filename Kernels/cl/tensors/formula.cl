// What kernels of formulas are made of besides elementary functions. Goes after elementary.cl and
// before text that is put together at run time (FormulaText.swift).
//
//   load_next, load_steps, load_rows     LANES numbers that lie one after the other, a step apart, or
//                                        in rows of a list; store_... the same
//   tessera_draw                         random numbers (Philox.swift is the specification)
//   combine, keep, combine_lanes         a reduction (Reduction says in what order)
//
// Layout: `count` of the LANES numbers are there, at least one; nothing else is read or written.
//
// Macros
//   LANES       16 for wide work items, 1 for items side by side
//   LONG_INDEX  elements are counted in 64 bits (in 32)
//   REDUCTION   0 sum, 1 maximum, 2 minimum; nothing is combined without it

#ifdef LONG_INDEX
typedef ulong index_t;
#else
typedef uint index_t;
#endif

#if LANES == 1

static inline float load_next(__global const float *p, uint count) { return *p; }
static inline float load_steps(__global const float *p, ulong step, uint count) { return *p; }
static inline float load_rows(__global const float *p, __global const int *rows, ulong step,
                              uint count) {
  return p[(ulong)*rows * step];
}

static inline void store_next(float value, __global float *p, uint count) { *p = value; }
static inline void store_steps(float value, __global float *p, ulong step, uint count) {
  *p = value;
}
static inline void store_rows(float value, __global float *p, __global const int *rows, ulong step,
                              uint count) {
  p[(ulong)*rows * step] = value;
}

#else

static inline float16 load_next(__global const float *p, uint count) {
  if (count == 16) return vload16(0, p);
  float lanes[16];
  for (uint i = 0; i < 16; i++) lanes[i] = i < count ? p[i] : 0.0f;
  return vload16(0, lanes);
}

static inline float16 load_steps(__global const float *p, ulong step, uint count) {
  float lanes[16];
  for (uint i = 0; i < 16; i++) lanes[i] = i < count ? p[i * step] : 0.0f;
  return vload16(0, lanes);
}

static inline float16 load_rows(__global const float *p, __global const int *rows, ulong step,
                                uint count) {
  float lanes[16];
  for (uint i = 0; i < 16; i++) lanes[i] = i < count ? p[(ulong)rows[i] * step] : 0.0f;
  return vload16(0, lanes);
}

static inline void store_next(float16 value, __global float *p, uint count) {
  if (count == 16) {
    vstore16(value, 0, p);
    return;
  }
  float lanes[16];
  vstore16(value, 0, lanes);
  for (uint i = 0; i < count; i++) p[i] = lanes[i];
}

static inline void store_steps(float16 value, __global float *p, ulong step, uint count) {
  float lanes[16];
  vstore16(value, 0, lanes);
  for (uint i = 0; i < count; i++) p[i * step] = lanes[i];
}

static inline void store_rows(float16 value, __global float *p, __global const int *rows, ulong step,
                              uint count) {
  float lanes[16];
  vstore16(value, 0, lanes);
  for (uint i = 0; i < count; i++) p[(ulong)rows[i] * step] = lanes[i];
}

#endif

// Steps of formulas.

static inline tessera_float tessera_smaller(tessera_float a, tessera_float b) {
  return TESSERA_SELECT((a < b) | (a != a), a, b);
}

static inline tessera_float tessera_larger(tessera_float a, tessera_float b) {
  return TESSERA_SELECT((a > b) | (a != a), a, b);
}

#define TESSERA_ONE_WHERE(mask) TESSERA_SELECT(mask, TESSERA_FLOAT(1.0f), TESSERA_FLOAT(0.0f))

// Four words of random bits for each lane.
typedef struct {
  tessera_uint x, y, z, w;
} tessera_words;

// The words for the elements from `element` on.
static inline tessera_words tessera_draw(ulong element, uint group, uint seed_low, uint seed_high,
                                         uint step_low, uint step_high) {
  tessera_words c;
#if LANES == 1
  c.x = (uint)element;
  c.y = (uint)(element >> 32);
#else
  c.x = (uint)element + (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  // A lane whose low word is smaller than the first one's has passed 2^32.
  c.y = (uint)(element >> 32) - as_uint16(c.x < (uint16)((uint)element));
#endif
  c.y ^= group << 16;
  c.z = TESSERA_UINT(step_low);
  c.w = TESSERA_UINT(step_high);
  for (uint round = 0; round < 10; round++) {
    tessera_uint first_high = mul_hi(c.x, TESSERA_UINT(0xD2511F53u));
    tessera_uint second_high = mul_hi(c.z, TESSERA_UINT(0xCD9E8D57u));
    tessera_uint first_low = c.x * 0xD2511F53u, second_low = c.z * 0xCD9E8D57u;
    c.x = second_high ^ c.y ^ seed_low;
    c.y = second_low;
    c.z = first_high ^ c.w ^ seed_high;
    c.w = first_low;
    seed_low += 0x9E3779B9u;
    seed_high += 0xBB67AE85u;
  }
  return c;
}

// A multiple of 2^-24 in 0..<1.
static inline tessera_float tessera_unit(tessera_uint word) {
  return TESSERA_TO_FLOAT(TESSERA_AS_INT(word >> 8u)) * 0x1p-24f;
}

#ifdef REDUCTION

#if REDUCTION == 0
#define START 0.0f
#define COMBINE(a, b) ((a) + (b))
#elif REDUCTION == 1
#define START (-INFINITY)
#define COMBINE(a, b) select(b, a, ((a) > (b)) | ((a) != (a)))
#else
#define START INFINITY
#define COMBINE(a, b) select(b, a, ((a) < (b)) | ((a) != (a)))
#endif

static inline tessera_float combine(tessera_float a, tessera_float b) { return COMBINE(a, b); }

#if LANES == 16

// The first `count` numbers; elsewhere what changes nothing. A sum that began with 0 is never -0.
static inline float16 keep(float16 value, uint count) {
  if (count == 16) return value;
  int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return select((float16)(START), value, lane < (int16)((int)count));
}

static inline float combine_lanes(float16 x) {
  float8 a = x.lo, b = x.hi;
  a = COMBINE(a, b);
  float4 c = a.lo, d = a.hi;
  c = COMBINE(c, d);
  float2 e = c.lo, f = c.hi;
  e = COMBINE(e, f);
  float g = e.x, h = e.y;
  return COMBINE(g, h);
}

#endif
#endif
