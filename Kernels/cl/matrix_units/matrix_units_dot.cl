// Dot products of four bytes, where there is no matrix unit; see matrix_units.cl.

#if UNIT == UNIT_DOT_PRODUCT

// Of bytes only. Lane l multiplies queries l / 4 + 8 i with rows l % 4 + 4 j, i < 4 and j < 8.

#define LANES 32
#define UNIT_QUERIES 32
#define UNIT_ROWS 32
#define UNIT_DEPTH 16
#define UNIT_ELEMENTS 32
#define QUERY_WORDS 16
#define ROW_WORDS 32
#define ELEMENT_QUERY(lane, e) ((lane) / 4 + (e) / 8 * 8)
#define ELEMENT_ROW(lane, e) ((lane) % 4 + (e) % 8 * 4)

#if defined(EMULATE)
#define ADD_PRODUCTS(a, b, sum) add_products(a, b, sum)
#elif defined(DOT_PRODUCT_PTX)
static inline int add_four_products(uint a, uint b, int sum) {
  asm("dp4a.s32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}
#define ADD_PRODUCTS(a, b, sum) add_four_products(a, b, sum)
#else
#define ADD_PRODUCTS(a, b, sum) ((sum) + dot_4x8packed_ss_int(a, b))
#endif

static inline void multiply(accumulator *sums, const uint *queries, const uint *rows, uint lane,
                            __local uint *exchange) {
  UNROLL
  for (uint w = 0; w < 4; w++) {
    UNROLL
    for (uint e = 0; e < UNIT_ELEMENTS; e++) {
      sums[e] = ADD_PRODUCTS(queries[e / 8 * 4 + w], rows[e % 8 * 4 + w], sums[e]);
    }
  }
}

static inline void load_queries(uint *words, __local const uchar *tile, uint line, uint depth,
                                uint lane, __local uint *exchange) {
  UNROLL
  for (uint i = 0; i < 4; i++) load_words(words + 4 * i, 4, tile, line + lane / 4 + 8 * i, depth);
}

static inline void load_rows(uint *words, __local const uchar *tile, uint line, uint depth,
                             uint lane, __local uint *exchange) {
  UNROLL
  for (uint j = 0; j < 8; j++) load_words(words + 4 * j, 4, tile, line + lane % 4 + 4 * j, depth);
}

#endif
