// What the filter knows of rows and queries besides their numbers, all from their norms; see
// `search_common.cl`.
//
// search_row_terms     scales and offsets of rows, and the panel's largest norm. Item = one panel.
// search_query_bounds  bounds, thresholds and counts as a search begins. Item = one query of the
//                      padded ones.

__kernel void search_row_terms(__global const float *restrict norms, ulong norms_offset,
                               __global float *restrict terms, ulong terms_offset,
                               __global float *restrict panel_norms, ulong panel_norms_offset,
                               uint metric, float slack, uint row_count, uint panel_count) {
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
  panel_norms[panel_norms_offset + panel] = fma(largest, slack, largest);
}

__kernel void search_query_bounds(__global const float *restrict norms, ulong norms_offset,
                                  __global float *restrict bounds, ulong bounds_offset,
                                  __global float *restrict thresholds, ulong thresholds_offset,
                                  __global uint *restrict counts, ulong counts_offset,
                                  uint metric, float slack, float tiny, uint query_count,
                                  uint padded_count) {
  uint query = (uint)get_global_id(0);
  if (query >= padded_count) return;
  float norm = norms[norms_offset + query];
  norm = fma(norm, slack, norm);
  float linear = 0.0f, constant_term = fma(tiny, norm, tiny);
  if (metric == METRIC_INNER_PRODUCT) {
    linear = fma(slack, norm, tiny);
  } else if (metric == METRIC_SQUARED_L2) {
    linear = fma(2.0f * slack, norm, tiny);
    constant_term = fma(slack * norm, norm, constant_term);
  } else {
    constant_term = fma(slack, norm, constant_term);
  }
  if (!(norm < LARGEST_NORM)) constant_term = INFINITY;
  bounds[bounds_offset + 2 * query] = linear;
  bounds[bounds_offset + 2 * query + 1] = constant_term;
  thresholds[thresholds_offset + query] = query < query_count ? -INFINITY : INFINITY;
  counts[counts_offset + query] = 0;
}
