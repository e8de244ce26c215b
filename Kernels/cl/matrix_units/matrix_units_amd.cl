// AMD: MFMA (gfx90a, gfx94x) and WMMA (gfx11); see matrix_units.cl.

#if UNIT == UNIT_AMD_MFMA

// v_mfma of 16 x 16 in wavefronts of 64, gfx90a and gfx94x: lane l has bytes 8 (l / 16) up to
// 8 (l / 16) + 8 of query or row l % 16. Instructions that take half of that as one piece take the
// lanes' first words, then their second: a sum in another order.

#define LANES 64
#define UNIT_QUERIES 16
#define UNIT_ROWS 16
#define UNIT_DEPTH 32
#define UNIT_ELEMENTS 4
#define QUERY_WORDS 2
#define ROW_WORDS 2
#define ELEMENT_QUERY(lane, e) ((lane) / 16 * 4 + (e))
#define ELEMENT_ROW(lane, e) ((lane) % 16)

#ifdef EMULATE

MULTIPLY_EMULATED(for (uint w = 0; w < 8; w++) {
  sum = add_products(QUERY_WORD(w / 2 * 16 + m, w % 2), ROW_WORD(w / 2 * 16 + n, w % 2), sum);
})

#else

#if BYTES == 2
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

static inline void multiply(accumulator *sums, const uint *queries, const uint *rows, uint lane,
                            __local uint *exchange) {
#if BYTES == 2
  float4 sum = vload4(0, sums);
  sum = __builtin_amdgcn_mfma_f32_16x16x16f16(as_half4((uint2)(queries[0], queries[1])),
                                              as_half4((uint2)(rows[0], rows[1])), sum, 0, 0, 0);
#elif defined(__gfx90a__) || defined(__gfx908__)
  int4 sum = vload4(0, sums);
  sum = __builtin_amdgcn_mfma_i32_16x16x16i8(queries[0], rows[0], sum, 0, 0, 0);
  sum = __builtin_amdgcn_mfma_i32_16x16x16i8(queries[1], rows[1], sum, 0, 0, 0);
#else
  int4 sum = vload4(0, sums);
  sum = __builtin_amdgcn_mfma_i32_16x16x32_i8(as_long((uint2)(queries[0], queries[1])),
                                              as_long((uint2)(rows[0], rows[1])), sum, 0, 0, 0);
#endif
  vstore4(sum, 0, sums);
}

#endif

static inline void load_queries(uint *words, __local const uchar *tile, uint line, uint depth,
                                uint lane, __local uint *exchange) {
  load_words(words, 2, tile, line + lane % 16, depth + lane / 16 * 8);
}

#define load_rows load_queries

#elif UNIT == UNIT_AMD_WMMA

// v_wmma of 16 x 16 in wavefronts of 32, gfx11: lanes l and l + 16 both have all bytes of query or
// row l.

#define LANES 32
#define UNIT_QUERIES 16
#define UNIT_ROWS 16
#define UNIT_DEPTH 32
#define UNIT_ELEMENTS 8
#define QUERY_WORDS 8
#define ROW_WORDS 8
#define ELEMENT_QUERY(lane, e) (2 * (e) + (lane) / 16)
#define ELEMENT_ROW(lane, e) ((lane) % 16)

#ifdef EMULATE

// Now from the lower, now from the upper lanes: both must have them.
MULTIPLY_EMULATED(for (uint w = 0; w < 8; w++) {
  sum = add_products(QUERY_WORD(w % 2 * 16 + m, w), ROW_WORD(w / 2 % 2 * 16 + n, w), sum);
})

#else

#if BYTES == 2
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

static inline void multiply(accumulator *sums, const uint *queries, const uint *rows, uint lane,
                            __local uint *exchange) {
#if BYTES == 2
  vstore8(__builtin_amdgcn_wmma_f32_16x16x16_f16_w32(as_half16(vload8(0, queries)),
                                                     as_half16(vload8(0, rows)), vload8(0, sums)),
          0, sums);
#else
  int8 sum = vload8(0, sums);
  sum = __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32(true, as_int4(vload4(0, queries)), true,
                                                   as_int4(vload4(0, rows)), sum, false);
  sum = __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32(true, as_int4(vload4(1, queries)), true,
                                                   as_int4(vload4(1, rows)), sum, false);
  vstore8(sum, 0, sums);
#endif
}

#endif

static inline void load_queries(uint *words, __local const uchar *tile, uint line, uint depth,
                                uint lane, __local uint *exchange) {
  load_words(words, 8, tile, line + lane % 16, depth);
}

#define load_rows load_queries

#endif
