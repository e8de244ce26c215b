// The kernels, written once in vector types and compiled for each instruction set.
//
// The including file defines KERNELS (the table's name), KERNELS_NAME, TARGET (clang's feature
// list), WIDTH (floats per register), COLUMNS (registers of rows per step) and QUERY_BLOCK:
// QUERY_BLOCK * COLUMNS accumulators, COLUMNS row registers and one broadcast have to fit the
// register file. SCORED_ROWS are scored and ESTIMATED_ROWS estimated side by side.
// HAS_FMA and HAS_HALF say that there are such instructions. Where there are instructions for that,
// DOT4 and DOT8 multiply bytes, FLOAT_COST times as fast as floats, DOT2 numbers of 16 bits, and
// COMPRESS and COUNT_KEPT gather kept lanes; LOOKUP(table, indices) shuffles
// bytes within each 16, LOOKUP_SUBSPACES within all 64,
// LOOKUP_BYTES within four registers.

#include "order_key.h"

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef TARGET
#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)
#endif

// The canonical arithmetic is spelled out; the compiler must not fuse what it finds.
#pragma STDC FP_CONTRACT OFF
// Wide vectors pass between functions here only where those are inlined: no ABI is involved.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef float floats __attribute__((vector_size(WIDTH * 4)));
typedef int32_t ints __attribute__((vector_size(WIDTH * 4)));
typedef floats floats_anywhere __attribute__((aligned(4)));
typedef float float16 __attribute__((vector_size(64)));
typedef double double16 __attribute__((vector_size(128)));
typedef double double8 __attribute__((vector_size(64)));
typedef double double4 __attribute__((vector_size(32)));
typedef double double2 __attribute__((vector_size(16)));
typedef uint16_t ushort16 __attribute__((vector_size(32)));
typedef uint32_t uint16w __attribute__((vector_size(64)));
typedef int32_t int16w __attribute__((vector_size(64)));

#if defined(__FMA__) || defined(__ARM_NEON) || defined(HAS_FMA)
#define MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

#include "numbers.h"
#include "canonical.h"
#include "search/hits.h"
#include "search/packing.h"
#include "search/filter.h"
#include "matrices/multiply.h"
#include "matrices/assign.h"
#include "codes/encode_float.h"
#include "codes/encode_whole.h"
#include "codes/codes.h"
#include "codes/scan.h"
#include "tensors/elementary.h"
#include "tensors/formula.h"

#ifdef TARGET
#pragma clang attribute pop
#endif

const csimd_kernels KERNELS = {
    .name = KERNELS_NAME,
    .query_block = QUERY_BLOCK,
    .widen_rows = widen_rows,
    .pack = pack,
    .pack_quantized = pack_quantized,
    .quantize_query = quantize_query,
    .filter = filter,
#ifdef DOT4
    .filter_quantized = filter_quantized,
    .assign_panel = assign_panel,
    .float_cost = FLOAT_COST,
#endif
    .project = project,
    .tile_columns = TILE_COLUMNS,
    .pack_strips = pack_strips,
    .multiply_strips = multiply_strips,
    .multiply_strips_fused = FUSED_STRIPS,
    .run_formula = run_formula,
    .combine_runs = combine_runs,
    .combine_pairs = combine_pairs,
    .combine_lines = combine_lines,
    .combine_rows = combine_rows,
    .combine_wide_lanes = combine_wide_lanes,
    .multiply_sparse = multiply_sparse,
    .whole_numbers = whole_numbers,
    .score = score,
    .canonical_sums = canonical_sums,
    .settle = settle,
    .near_groups = near_groups,
    .score_pairs = score_pairs,
    .prefetch_rows = prefetch_rows,
    .keep_best = keep_best,
    .encode_subspace = encode_subspace,
    .lookup_scores = lookup_scores,
#ifdef HAS_SCAN
    .scan_codes = scan_codes,
    .scan_queries = SCAN_QUERIES,
    .most_entry = MOST_ENTRY,
#endif
#ifdef LOOKUP_BYTES
    .scan_byte_codes = scan_byte_codes,
#endif
    .arrange_codes = ARRANGE_CODES,
    .score_codes = score_codes,
    .sum_rows = sum_rows,
    .apply_function = apply_function,
};
