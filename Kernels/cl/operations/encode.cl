// Product quantization: the nearest codeword of each subspace of each point.
//
//   codes[p][s] = the lowest c at which canonical(point p subspace s, codeword c of s) is smallest
//
// canonical is the squared L2 distance in fixed arithmetic: Float64, lane j sums dimensions j,
// j + 16, ... with fused multiply-adds, the lanes are added as a tree 8, 4, 2, 1, and the result is
// rounded once to Float32. Lanes past WIDTH would hold 0, and adding 0 changes nothing: LANES
// leaves them out.
//
// Layout: points row-major, `subspaces` * WIDTH columns, all finite. Codewords in panels of 32
// (pack_panels.cl), `codewords` of each subspace from a panel of its own.
//
// Work items: one item codes one subspace of SPAN points. BODY_WIDE scores eight codewords at a
// time in a double8, BODY_TILE one at a time, which all items of a group read together.
// Group: x = block of points, y = subspace.
//
// Macros
//   WIDTH  dimensions of a subspace (no default)
//   LANES  the lowest power of two that is at least WIDTH, at most 16 (no default)
//   SPAN   points of an item (wide 64, tile 1)

#pragma OPENCL FP_CONTRACT OFF

#define PANEL 32

#ifdef BODY_WIDE
#define WIDE 8
#define REALS double8
#define REALS_AT(p) convert_double8(vload8(0, p))
#define SCORES float8
#define SCORES_FROM(x) convert_float8(x)
#define INDICES int8
#define PLACES ((int8)(0, 1, 2, 3, 4, 5, 6, 7))
#define STORE_SCORES(x, p) vstore8(x, 0, p)
#define STORE_INDICES(x, p) vstore8(x, 0, p)
#ifndef SPAN
#define SPAN 64
#endif
#else
#define WIDE 1
#define REALS double
#define REALS_AT(p) ((double)*(p))
#define SCORES float
#define SCORES_FROM(x) ((float)(x))
#define INDICES int
#define PLACES 0
#define STORE_SCORES(x, p) (*(p) = (x))
#define STORE_INDICES(x, p) (*(p) = (x))
#ifndef SPAN
#define SPAN 1
#endif
#endif

// Canonical scores of WIDE neighbouring codewords of a panel.
static inline SCORES score(__global const float *point, __global const float *codewords) {
  REALS lanes[LANES];
#pragma unroll
  for (uint j = 0; j < LANES; j++) lanes[j] = (REALS)(0.0);
#pragma unroll
  for (uint start = 0; start < WIDTH; start += LANES) {
#pragma unroll
    for (uint j = 0; j < LANES; j++) {
      if (start + j < WIDTH) {
        REALS difference =
            (REALS)((double)point[start + j]) - REALS_AT(codewords + (start + j) * PANEL);
        lanes[j] = fma(difference, difference, lanes[j]);
      }
    }
  }
#pragma unroll
  for (uint distance = LANES / 2; distance > 0; distance /= 2) {
#pragma unroll
    for (uint j = 0; j < distance; j++) lanes[j] += lanes[j + distance];
  }
  return SCORES_FROM(lanes[0]);
}

__kernel void encode(__global const float *restrict points, ulong points_offset, ulong point_count,
                     __global const float *restrict panels, ulong panels_offset, uint codewords,
                     uint subspaces, __global uchar *restrict codes, ulong codes_offset) {
  uint subspace = get_global_id(1);
  size_t point = get_global_id(0) * SPAN;
  size_t end = min(point + SPAN, (size_t)point_count);
  panels += panels_offset + (size_t)subspace * ((codewords + PANEL - 1) / PANEL) * PANEL * WIDTH;
  points += points_offset + (size_t)subspace * WIDTH;
  codes += codes_offset + subspace;
  for (; point < end; point++) {
    __global const float *row = points + point * subspaces * WIDTH;
    SCORES best = (SCORES)(INFINITY);
    INDICES winner = (INDICES)(0);
    for (uint codeword = 0; codeword < codewords; codeword += WIDE) {
      SCORES found = score(
          row, panels + (codeword / PANEL) * (PANEL * WIDTH) + codeword % PANEL);
      // Padding must not win: it would hide what its lane found before.
      INDICES better = found < best && PLACES < (INDICES)((int)(codewords - codeword));
      best = better ? found : best;
      winner = better ? (INDICES)(codeword) : winner;
    }
    // Place j has seen codewords j, j + WIDE, ...; with fewer codewords than places, none.
    float scores[WIDE];
    int winners[WIDE];
    STORE_SCORES(best, scores);
    STORE_INDICES(winner, winners);
    float score = scores[0];
    uint code = winners[0];
    for (uint j = 1; j < WIDE; j++) {
      uint candidate = winners[j] + j;
      if (candidate < codewords &&
          (scores[j] < score || (scores[j] == score && candidate < code))) {
        score = scores[j];
        code = candidate;
      }
    }
    codes[point * subspaces] = (uchar)code;
  }
}
