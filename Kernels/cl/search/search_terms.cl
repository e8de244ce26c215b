// Computes what the filter knows of rows and queries besides their numbers, all of it from their
// norms; see `search_common.cl`.
//
// search_row_terms     scales and offsets of rows, and the panel's lengths, T being 0 until rows
//                      are rounded. Item = one panel.
// search_query_bounds  bounds, thresholds and counts as a search begins. Item = one query of the
//                      padded ones. ROUNDED: for a filter on rounded numbers; `roundings` has each
//                      query's factor and r.

__kernel void search_row_terms(__global const float *restrict norms, ulong norms_offset,
                               __global float *restrict terms, ulong terms_offset,
                               __global float *restrict panel_lengths,
                               ulong panel_lengths_offset, uint metric, float slack,
                               uint row_count, uint panel_count) {
  uint panel = (uint)get_global_id(0);
  if (panel >= panel_count) return;
  norms += norms_offset + (size_t)panel * PANEL_ROWS;
  terms += terms_offset + (size_t)panel * 2 * PANEL_ROWS;
  float largest = 0.0f;
  for (uint lane = 0; lane < PANEL_ROWS; lane++) {
    float norm = norms[lane], scale = 1.0f, offset = 0.0f;
    bool usable = norm < LARGEST_NORM;
    if (metric == METRIC_SQUARED_L2) {
      offset = -0.5f * norm * norm;
    } else if (metric == METRIC_COSINE) {
      usable = usable && (norm == 0.0f || norm >= SMALLEST_NORM);
      scale = norm > 0.0f ? 1.0f / norm : 0.0f;
    }
    if (panel * PANEL_ROWS + lane >= row_count) {
      scale = 0.0f;
      offset = -INFINITY;
    } else if (!usable) {
      scale = 0.0f;
      offset = NAN;
    } else {
      largest = max(largest, norm);
    }
    terms[lane] = scale;
    terms[PANEL_ROWS + lane] = offset;
  }
  float2 lengths = (float2)(fma(largest, slack, largest), 0.0f);
  vstore2(lengths, panel, panel_lengths + panel_lengths_offset);
}

#ifdef ROUNDED
#define ROUNDINGS_PARAMETER , __global const float *restrict roundings, ulong roundings_offset
#define ROUNDING_OF(query) vload2(query, roundings + roundings_offset)
#else
#define ROUNDINGS_PARAMETER
#define ROUNDING_OF(query) (float2)(1.0f, 0.0f)
#endif

__kernel void search_query_bounds(__global const float *restrict norms, ulong norms_offset,
                                  __global float *restrict bounds, ulong bounds_offset,
                                  __global float *restrict thresholds, ulong thresholds_offset,
                                  __global uint *restrict counts, ulong counts_offset,
                                  uint metric, float slack, float tiny, uint query_count,
                                  uint padded_count ROUNDINGS_PARAMETER) {
  uint query = (uint)get_global_id(0);
  if (query >= padded_count) return;
  float norm = norms[norms_offset + query];
  norm = fma(norm, slack, norm);
  float2 rounding = ROUNDING_OF(query);
  float residual = rounding.y, length = norm + residual;
  float linear = 0.0f, constant_term = fma(tiny, norm, tiny);
  if (metric == METRIC_INNER_PRODUCT) {
    linear = fma(slack, length, tiny) + residual;
  } else if (metric == METRIC_SQUARED_L2) {
    linear = fma(2.0f * slack, length, tiny) + residual;
    constant_term = fma(slack * norm, norm, constant_term);
  } else {
    constant_term = fma(slack, length, constant_term) + residual;
  }
  if (!(norm < LARGEST_NORM)) constant_term = INFINITY;
#ifdef ROUNDED
  float weight = fma(slack, length, length);
#else
  float weight = 0.0f;
#endif
  vstore4((float4)(linear, constant_term, weight, rounding.x), query, bounds + bounds_offset);
  thresholds[thresholds_offset + query] = query < query_count ? -INFINITY : INFINITY;
  counts[counts_offset + query] = 0;
}
