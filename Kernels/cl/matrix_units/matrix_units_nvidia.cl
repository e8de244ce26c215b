// NVIDIA; see matrix_units.cl. Two mma.sync side by side (m16n8k16 of halves, m16n8k32 of bytes),
// from compute capability 8.0 on.

#if UNIT == UNIT_NVIDIA

#define LANES 32
#define UNIT_QUERIES 16
#define UNIT_ROWS 16
#define UNIT_DEPTH 32
#define UNIT_ELEMENTS 8
#define QUERY_WORDS 4
#define ROW_WORDS 4
#define ELEMENT_QUERY(lane, e) ((lane) / 4 + 8 * ((e) >> 1 & 1))
#define ELEMENT_ROW(lane, e) ((e) / 4 * 8 + (lane) % 4 * 2 + ((e) & 1))

#ifdef EMULATE

// ldmatrix: lanes 8 i up to 8 i + 8 say where the eight lines of matrix i begin, of which lane l
// receives word l % 4 of line l / 4.
static inline void load_matrices(uint *words, __local const uchar *tile, uint place, uint lane,
                                 __local uint *exchange) {
  exchange[lane] = place;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint w = 0; w < 4; w++) {
    words[w] = *(__local const uint *)(tile + exchange[8 * w + lane / 4] + lane % 4 * 4);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// Word w of the 32 bytes of query m is the word w / 4 * 2 + m / 8 of lane m % 8 * 4 + w % 4; of row
// n, the word n / 8 * 2 + w / 4 of lane n % 8 * 4 + w % 4.
MULTIPLY_EMULATED(for (uint w = 0; w < 8; w++) {
  sum = add_products(QUERY_WORD(m % 8 * 4 + w % 4, w / 4 * 2 + m / 8),
                     ROW_WORD(n % 8 * 4 + w % 4, n / 8 * 2 + w / 4), sum);
})

#else

static inline void load_matrices(uint *words, __local const uchar *tile, uint place, uint lane,
                                 __local uint *exchange) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"((uint)(ulong)(tile + place))
               : "memory");
}

#if BYTES == 2
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#define SUM "+f"
#else
#define MMA "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32"
#define SUM "+r"
#endif

static inline void multiply(accumulator *sums, const uint *queries, const uint *rows, uint lane,
                            __local uint *exchange) {
#pragma unroll
  for (uint half_block = 0; half_block < 2; half_block++) {
    accumulator *s = sums + 4 * half_block;
    const uint *r = rows + 2 * half_block;
    asm volatile(MMA " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : SUM(s[0]), SUM(s[1]), SUM(s[2]), SUM(s[3])
                 : "r"(queries[0]), "r"(queries[1]), "r"(queries[2]), "r"(queries[3]), "r"(r[0]),
                   "r"(r[1]));
  }
}

#endif

static inline void load_queries(uint *words, __local const uchar *tile, uint line, uint depth,
                                uint lane, __local uint *exchange) {
  load_matrices(words, tile, line_place(line + lane % 16, depth + lane / 16 * 16), lane, exchange);
}

static inline void load_rows(uint *words, __local const uchar *tile, uint line, uint depth,
                             uint lane, __local uint *exchange) {
  load_matrices(words, tile,
                line_place(line + lane % 8 + lane / 16 * 8, depth + lane / 8 % 2 * 16), lane,
                exchange);
}

#endif
