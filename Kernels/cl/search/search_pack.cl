// Packs rows for the filter: widened exactly to Float32, `width` rows side by side.
//
//   packed[row / width][d][row % width] = source[row][d], zero past the last row
//   norms[row] = |row|, or NaN for a row with NaN or infinity, which is counted in `nonfinite`
//
// Norms are within (dimension / 2 + 8) * 2^-24 of the true ones, relatively, at any magnitude: rows
// are scaled by a power of two while they are squared. Rows whose largest number is subnormal get
// the norm 2^-100, an upper bound.
//
// Item = one row of the padded ones. Source rows follow each other without gaps.
//
// Macro ELEMENT: the type of the source, one of ELEMENT_*, which are the raw values of ElementType.

#define ELEMENT_FLOAT32 0
#define ELEMENT_FLOAT16 1
#define ELEMENT_BFLOAT16 2
#define ELEMENT_INT8 3
#define ELEMENT_UINT8 4

// The Float32 bits of one stored number. Bits, because arithmetic may flush subnormals.
#if ELEMENT == ELEMENT_FLOAT32
#define STORED uint
static inline uint widened_bits(uint stored) { return stored; }
#elif ELEMENT == ELEMENT_FLOAT16
#define STORED ushort
static inline uint widened_bits(ushort stored) {
  uint sign = (stored & 0x8000u) << 16, magnitude = stored & 0x7FFFu;
  uint infinite = magnitude >= 0x7C00u ? 112u << 23 : 0;
  uint normal = (magnitude << 13) + (112u << 23) + infinite;
  // Subnormal halves are multiples of 2^-24, and normal as Float32.
  return sign | (magnitude < 0x400u ? as_uint((float)magnitude * 0x1p-24f) : normal);
}
#elif ELEMENT == ELEMENT_BFLOAT16
#define STORED ushort
static inline uint widened_bits(ushort stored) { return (uint)stored << 16; }
#elif ELEMENT == ELEMENT_INT8
#define STORED char
static inline uint widened_bits(char stored) { return as_uint((float)stored); }
#else
#define STORED uchar
static inline uint widened_bits(uchar stored) { return as_uint((float)stored); }
#endif

__kernel void search_pack(__global const STORED *restrict source, ulong source_offset,
                          __global uint *restrict packed, ulong packed_offset,
                          __global float *restrict norms, ulong norms_offset,
                          __global uint *restrict nonfinite, ulong nonfinite_offset, uint width,
                          uint dimension, uint row_count, uint padded_count) {
  uint row = (uint)get_global_id(0);
  if (row >= padded_count) return;
  uint block = row / width;
  packed += packed_offset + (size_t)block * dimension * width + (row - block * width);
  norms += norms_offset;
  if (row >= row_count) {
    for (uint d = 0; d < dimension; d++) packed[(size_t)d * width] = 0;
    norms[row] = 0.0f;
    return;
  }
  source += source_offset + (size_t)row * dimension;
  uint largest = 0;
  for (uint d = 0; d < dimension; d++) {
    uint bits = widened_bits(source[d]);
    packed[(size_t)d * width] = bits;
    largest = max(largest, bits & 0x7FFFFFFFu);
  }
  uint exponent = largest >> 23;
  if (exponent == 0xFF) {
    atomic_inc(nonfinite + nonfinite_offset);
    norms[row] = NAN;
  } else if (exponent == 0) {
    norms[row] = largest == 0 ? 0.0f : 0x1p-100f;
  } else {
    uint inverse = max(254u - exponent, 1u);
    float down = as_float(inverse << 23);
    float squares = 0.0f;
    for (uint d = 0; d < dimension; d++) {
      float value = as_float(packed[(size_t)d * width]) * down;
      squares = MULTIPLY_ADD(value, value, squares);
    }
    norms[row] = sqrt(squares) * as_float((254u - inverse) << 23);
  }
}
