// Matrix units: how LANES neighbouring work items multiply a block of UNIT_QUERIES queries with a
// block of UNIT_ROWS rows, some bytes of each at a time. Goes before the kernels that use it.
//
//   sums[e] += sum over UNIT_DEPTH bytes
//              of queries[ELEMENT_QUERY(lane, e)] . rows[ELEMENT_ROW(lane, e)]
//
// Operands lie in local memory in lines of LINE_BYTES, one for each query or row. The 16-byte
// pieces of a line are exchanged so that eight lines' same piece meets every bank (`line_place`).
//
// Macros given
//   UNIT     one of UNIT_*
//   BYTES    2: halves, summed in Float32; 1: signed bytes, summed in 32-bit integers
//   EMULATE  the unit's instructions, written in OpenCL C 1.2: lanes hand each other their words
//            through local memory, so all items of a work-group must take the same branches. Every
//            lane holds what the instruction's description says it holds, and no more.
//
// Defined for each unit
//   LANES, UNIT_QUERIES, UNIT_ROWS, UNIT_DEPTH, and UNIT_ELEMENTS sums in each lane
//   QUERY_WORDS, ROW_WORDS  32-bit words of operands in each lane
//   load_queries, load_rows  a block's words, from byte `depth` of its lines on
//   multiply                 adds a block's products to `sums`, as above
// None of them uses subnormal halves, which some units flush to zero.
//
// The maps from lanes to numbers are those of: NVIDIA, PTX ISA, "Matrix fragments for mma.m16n8k16"
// and "ldmatrix"; AMD, "CDNA2 ISA" and "RDNA3 ISA", matrix arithmetic; Khronos,
// cl_intel_subgroup_matrix_multiply_accumulate.

#define UNIT_NVIDIA 1
#define UNIT_AMD_MFMA 2
#define UNIT_AMD_WMMA 3
#define UNIT_INTEL_16 4
#define UNIT_INTEL_8 5
#define UNIT_DOT_PRODUCT 6

#define LINE_BYTES 64u

#if BYTES == 2
typedef float accumulator;
#else
typedef int accumulator;
#endif

#ifdef EMULATE
#define UNROLL _Pragma("unroll 1")
#else
#define UNROLL _Pragma("unroll")
#endif

// Over the depths of a line: dot products of all at once would take every register there is.
#if UNIT == UNIT_DOT_PRODUCT
#define UNROLL_DEPTH _Pragma("unroll 1")
#else
#define UNROLL_DEPTH UNROLL
#endif

// The place of byte `byte` of a line.
static inline uint line_place(uint line, uint byte) {
  return line * LINE_BYTES + (byte ^ (line << 3 & 48u));
}

// `count` words, all within a 16-byte piece or from its start on.
static inline void load_words(uint *words, uint count, __local const uchar *tile, uint line,
                              uint byte) {
  for (uint w = 0; w < count; w++) {
    words[w] = *(__local const uint *)(tile + line_place(line, byte + 4 * w));
  }
}

#ifdef EMULATE

// The products of the numbers in two words, added to `sum`.
static inline accumulator add_products(uint a, uint b, accumulator sum) {
#if BYTES == 2
  for (uint shift = 0; shift < 32; shift += 16) {
    uint x = a >> shift, y = b >> shift;
    // Shifted, a normal half is the Float32 2^112 times smaller, and zero is zero.
    float product = as_float((x & 0x7FFFu) << 13) * 0x1p112f *
                    (as_float((y & 0x7FFFu) << 13) * 0x1p112f);
    sum += ((x ^ y) & 0x8000u) != 0 ? -product : product;
  }
#else
  for (uint shift = 0; shift < 32; shift += 8) {
    sum += (int)(char)(a >> shift & 0xFFu) * (int)(char)(b >> shift & 0xFFu);
  }
#endif
  return sum;
}

#define HELD_WORDS (QUERY_WORDS + ROW_WORDS)
// Another lane's word of a query or row.
#define QUERY_WORD(lane, word) exchange[(lane) * HELD_WORDS + (word)]
#define ROW_WORD(lane, word) exchange[(lane) * HELD_WORDS + QUERY_WORDS + (word)]

// For every element of a lane, `each` with m and n set to its query and row.
#define MULTIPLY_EMULATED(each)                                                                    \
  static inline void multiply(accumulator *sums, const uint *queries, const uint *rows, uint lane, \
                              __local uint *exchange) {                                            \
    for (uint w = 0; w < QUERY_WORDS; w++) QUERY_WORD(lane, w) = queries[w];                       \
    for (uint w = 0; w < ROW_WORDS; w++) ROW_WORD(lane, w) = rows[w];                              \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                  \
    for (uint e = 0; e < UNIT_ELEMENTS; e++) {                                                     \
      uint m = ELEMENT_QUERY(lane, e), n = ELEMENT_ROW(lane, e);                                   \
      accumulator sum = sums[e];                                                                   \
      each sums[e] = sum;                                                                          \
    }                                                                                              \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                  \
  }

#endif

// Words of local memory through which a group of lanes hands each other theirs.
#if defined(EMULATE) && UNIT != UNIT_DOT_PRODUCT
#define EXCHANGE_WORDS (LANES * HELD_WORDS)
#else
#define EXCHANGE_WORDS 1
#endif

// Attributes that a kernel which uses the unit must have.
#if (UNIT == UNIT_INTEL_16 || UNIT == UNIT_INTEL_8) && !defined(EMULATE)
#define UNIT_ATTRIBUTES __attribute__((intel_reqd_sub_group_size(LANES)))
#else
#define UNIT_ATTRIBUTES
#endif

// Sixteen bytes on their way to local memory. COPIES_SENT ends a batch of them, and COPIES_HERE(n)
// waits until at most n batches are under way; a barrier shows them to the other items.
#if UNIT == UNIT_NVIDIA && !defined(EMULATE)
static inline void copy_piece(__local uchar *target, __global const uint4 *source) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
               :
               : "r"((uint)(ulong)target), "l"(source)
               : "memory");
}
#define COPIES_SENT() asm volatile("cp.async.commit_group;" : : : "memory")
#define COPIES_HERE(n) asm volatile("cp.async.wait_group " #n ";" : : : "memory")
#else
static inline void copy_piece(__local uchar *target, __global const uint4 *source) {
  *(__local uint4 *)target = *source;
}
#define COPIES_SENT()
#define COPIES_HERE(n)
#endif
