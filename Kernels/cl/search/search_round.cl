// Rounds packed rows and queries to halves or bytes, for filters on rounded numbers: x' = f h with
// one factor f for all of a row. `search_common.cl` has what that does to the error bound.
//
//   rounded[p][s][j] = 64 bytes of row 32 p + j: h of dimensions 64 s / BYTES and on, zero past the
//                      last; rows and queries alike
//
// Halves   f is the power of two that brings the row's largest number into [2^14, 2^15). What is
//          below 2^-14 then becomes zero, so that no half is subnormal.
// Bytes    f is the largest number / 127, or 1 for whole numbers within 127, which lose nothing.
// A row whose largest number is below 2^-62 is treated as if that were 2^-62.
//
// search_round_rows     Item = one row of the padded ones. Scales and T go beside the rows.
// search_round_queries  Item = one query of those padded to 32; `packed_count` of them are packed.
//                       roundings[q] = f and r, as two numbers.
//
// Macro BYTES: 2 for halves, 1 for bytes.

#define LINE_PIECES 4u
#define PIECE_NUMBERS (16u / BYTES)

static inline uint absolute_bits(float value) { return as_uint(value) & 0x7FFFFFFFu; }

#if BYTES == 2

// The two factors are powers of two, and so exact.
static inline float2 factors(__global const float *x, uint width, uint dimension) {
  uint largest = 0;
  for (uint d = 0; d < dimension; d++) largest = max(largest, absolute_bits(x[(size_t)d * width]));
  uint exponent = clamp(largest >> 23, 127u - 62u, 127u + 62u);
  return (float2)(as_float((exponent - 14u) << 23), as_float((268u - exponent) << 23));
}

// The bits of h for y = x / f, and y - h, which is exact.
static inline uint rounded_number(float y, float *rest) {
  uint bits = absolute_bits(y);
  // To nearest, ties to even; 13 bits go.
  bits = (bits + 0xFFFu + (bits >> 13 & 1u)) & ~0x1FFFu;
  if (bits < 113u << 23) bits = 0;
  uint sign = as_uint(y) >> 31;
  *rest = y - as_float(bits | sign << 31);
  return bits == 0 ? 0 : (bits >> 13) - (112u << 10) | sign << 15;
}

#else

static inline float2 factors(__global const float *x, uint width, uint dimension) {
  uint largest = 0;
  bool whole = true;
  for (uint d = 0; d < dimension; d++) {
    float value = x[(size_t)d * width];
    whole = whole && value == rint(value);
    largest = max(largest, absolute_bits(value));
  }
  float range = fmax(as_float(largest), 0x1p-62f);
  bool exact = whole && range <= 127.0f;
  return exact ? (float2)(1.0f) : (float2)(range / 127.0f, 127.0f / range);
}

static inline uint rounded_number(float y, float *rest) {
  float whole = clamp(rint(y), -127.0f, 127.0f);
  *rest = y - whole;
  return (uint)(int)whole & 0xFFu;
}

#endif

// Rounds one row, and returns its factor and a bound of |x - x'|.
//
// `rest` is |x - x'| in units of f but for the rounding of f, of 1 / f and of x / f, 0.75 * 2^-20
// of |x| in all; the square root and the sum of squares are off by less than `slack`, and what
// underflows in the squares is below 2^-60 |x|.
static inline float2 round_row(__global const float *x, uint width, uint dimension, float norm,
                               float slack, __global uint4 *target) {
  float2 factor = factors(x, width, dimension);
  uint steps = (dimension * BYTES + 63) / 64;
  float squares = 0.0f;
  for (uint piece = 0; piece < steps * LINE_PIECES; piece++) {
    uint words[4];
    for (uint w = 0; w < 4; w++) {
      uint word = 0;
      for (uint i = 0; i < 4 / BYTES; i++) {
        uint d = piece * PIECE_NUMBERS + w * (4 / BYTES) + i;
        float rest = 0.0f;
        if (d < dimension) {
          word |= rounded_number(x[(size_t)d * width] * factor.y, &rest) << (i * 8 * BYTES);
        }
        squares = fma(rest, rest, squares);
      }
      words[w] = word;
    }
    target[(size_t)(piece / LINE_PIECES) * PANEL_ROWS * LINE_PIECES + piece % LINE_PIECES] =
        vload4(0, words);
  }
  float rest = sqrt(squares) * factor.x;
  return (float2)(factor.x, fma(rest, slack, rest) + norm * 0x1p-20f);
}

// Fills a row with zeros, as one that is not there or is scored canonically anyhow.
static inline void blank_row(uint dimension, __global uint4 *target) {
  uint steps = (dimension * BYTES + 63) / 64;
  for (uint piece = 0; piece < steps * LINE_PIECES; piece++) {
    target[(size_t)(piece / LINE_PIECES) * PANEL_ROWS * LINE_PIECES + piece % LINE_PIECES] =
        (uint4)(0);
  }
}

// The first piece of a row among the rounded ones.
static inline size_t rounded_place(uint row, uint dimension) {
  uint steps = (dimension * BYTES + 63) / 64;
  return ((size_t)(row / PANEL_ROWS) * steps * PANEL_ROWS + row % PANEL_ROWS) * LINE_PIECES;
}

__kernel void search_round_rows(__global const float *restrict panels, ulong panels_offset,
                                __global const float *restrict norms, ulong norms_offset,
                                __global const float *restrict terms, ulong terms_offset,
                                __global uint4 *restrict rounded, ulong rounded_offset,
                                __global float *restrict rounded_terms, ulong rounded_terms_offset,
                                __global uint *restrict panel_lengths, ulong panel_lengths_offset,
                                uint metric, uint dimension, float slack, uint padded_count) {
  uint row = (uint)get_global_id(0);
  if (row >= padded_count) return;
  uint panel = row / PANEL_ROWS, lane = row % PANEL_ROWS;
  panels += panels_offset + (size_t)panel * dimension * PANEL_ROWS + lane;
  terms += terms_offset + (size_t)panel * 2 * PANEL_ROWS + lane;
  rounded += rounded_offset + rounded_place(row, dimension);
  rounded_terms += rounded_terms_offset + (size_t)panel * 2 * PANEL_ROWS + lane;
  float scale = terms[0], offset = terms[PANEL_ROWS];
  // Neither NaN nor -infinity.
  if (offset > -INFINITY) {
    float2 rounding = round_row(panels, PANEL_ROWS, dimension, norms[norms_offset + row], slack,
                                rounded);
    float residual = metric == METRIC_COSINE ? rounding.y * scale : rounding.y;
    scale *= rounding.x;
    // Numbers that are not negative order as their bits do.
    atomic_max(panel_lengths + panel_lengths_offset + 2 * panel + 1,
               as_uint(fma(residual, slack, residual)));
  } else {
    blank_row(dimension, rounded);
  }
  rounded_terms[0] = scale;
  rounded_terms[PANEL_ROWS] = offset;
}

__kernel void search_round_queries(__global const float *restrict packed, ulong packed_offset,
                                   __global const float *restrict norms, ulong norms_offset,
                                   __global uint4 *restrict rounded, ulong rounded_offset,
                                   __global float *restrict roundings, ulong roundings_offset,
                                   uint dimension, float slack, uint packed_count,
                                   uint padded_count) {
  uint query = (uint)get_global_id(0);
  if (query >= padded_count) return;
  packed += packed_offset + (size_t)(query / BLOCK_QUERIES) * dimension * BLOCK_QUERIES +
            query % BLOCK_QUERIES;
  rounded += rounded_offset + rounded_place(query, dimension);
  float norm = query < packed_count ? norms[norms_offset + query] : NAN;
  float2 rounding = (float2)(0.0f);
  if (norm < LARGEST_NORM) {
    rounding = round_row(packed, BLOCK_QUERIES, dimension, norm, slack, rounded);
  } else {
    blank_row(dimension, rounded);
  }
  vstore2(rounding, query, roundings + roundings_offset);
}
