// Intel XMX; see matrix_units.cl.

#if UNIT == UNIT_INTEL_16 || UNIT == UNIT_INTEL_8

// Sub-groups of 16 (Xe-HPC, Xe2) or 8 (Xe-HPG). Of each of eight queries, lane l of 16 has the
// 16-bit piece l, lane l of 8 the word l. Lane l has all of row l.

#if UNIT == UNIT_INTEL_16
#define LANES 16
#define QUERY_WORDS 4
#else
#define LANES 8
#define QUERY_WORDS 8
#endif
#define UNIT_QUERIES 8
#define UNIT_ROWS LANES
#define UNIT_DEPTH 32
#define UNIT_ELEMENTS 8
#define ROW_WORDS 8
#define ELEMENT_QUERY(lane, e) (e)
#define ELEMENT_ROW(lane, e) (lane)

#ifdef EMULATE

#if UNIT == UNIT_INTEL_16
MULTIPLY_EMULATED(for (uint w = 0; w < 8; w++) {
  uint even = QUERY_WORD(2 * w, m / 2) >> m % 2 * 16 & 0xFFFFu;
  uint odd = QUERY_WORD(2 * w + 1, m / 2) >> m % 2 * 16 & 0xFFFFu;
  sum = add_products(even | odd << 16, ROW_WORD(n, w), sum);
})
#else
MULTIPLY_EMULATED(for (uint w = 0; w < 8; w++) {
  sum = add_products(QUERY_WORD(w, m), ROW_WORD(n, w), sum);
})
#endif

#else

static inline void multiply(accumulator *sums, const uint *queries, const uint *rows, uint lane,
                            __local uint *exchange) {
#if UNIT == UNIT_INTEL_16
  short8 a = as_short8(vload4(0, queries));
#else
  int8 a = as_int8(vload8(0, queries));
#endif
  int8 b = as_int8(vload8(0, rows));
#if BYTES == 2
  vstore8(intel_sub_group_f16_f16_matrix_mad_k16(a, b, vload8(0, sums)), 0, sums);
#else
  vstore8(intel_sub_group_i8_i8_matrix_mad_k32(a, b, vload8(0, sums)), 0, sums);
#endif
}

#endif

static inline void load_queries(uint *words, __local const uchar *tile, uint line, uint depth,
                                uint lane, __local uint *exchange) {
#if UNIT == UNIT_INTEL_16
  for (uint w = 0; w < 4; w++) {
    uint even = *(__local const ushort *)(tile + line_place(line + 2 * w, depth + 2 * lane));
    uint odd = *(__local const ushort *)(tile + line_place(line + 2 * w + 1, depth + 2 * lane));
    words[w] = even | odd << 16;
  }
#else
  for (uint w = 0; w < 8; w++) load_words(words + w, 1, tile, line + w, depth + 4 * lane);
#endif
}

static inline void load_rows(uint *words, __local const uchar *tile, uint line, uint depth,
                             uint lane, __local uint *exchange) {
  load_words(words, 8, tile, line + lane, depth);
}

#endif
