#include "Kernels.h"

#include <string.h>

// To add a file: its text, and its line in the table below.

static const char common[] = {
#embed "cl/common.cl" suffix(, )
    0};

static const char probe[] = {
#embed "cl/probe.cl" suffix(, )
    0};

static const char pack_panels[] = {
#embed "cl/operations/pack_panels.cl" suffix(, )
    0};

static const char multiply[] = {
#embed "cl/operations/multiply.cl" suffix(, )
    0};

static const char canonical_scores[] = {
#embed "cl/operations/canonical_scores.cl" suffix(, )
    0};

static const char find[] = {
#embed "cl/operations/find.cl" suffix(, )
    0};

static const char gather[] = {
#embed "cl/operations/gather.cl" suffix(, )
    0};

static const char lookup_scores[] = {
#embed "cl/operations/lookup_scores.cl" suffix(, )
    0};

static const char encode[] = {
#embed "cl/operations/encode.cl" suffix(, )
    0};

static const char top_k[] = {
#embed "cl/operations/top_k.cl" suffix(, )
    0};

static const char accumulate_clusters[] = {
#embed "cl/operations/accumulate_clusters.cl" suffix(, )
    0};

static const char search_pack[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_pack.cl" suffix(, )
    0};

static const char search_terms[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_terms.cl" suffix(, )
    0};

static const char search_filter[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_places.cl" suffix(, )
#embed "cl/search/search_filter.cl" suffix(, )
    0};

static const char search_round[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_round.cl" suffix(, )
    0};

static const char search_matrix[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_places.cl" suffix(, )
#embed "cl/matrix_units/matrix_units.cl" suffix(, )
#embed "cl/matrix_units/matrix_units_nvidia.cl" suffix(, )
#embed "cl/matrix_units/matrix_units_amd.cl" suffix(, )
#embed "cl/matrix_units/matrix_units_intel.cl" suffix(, )
#embed "cl/matrix_units/matrix_units_dot.cl" suffix(, )
#embed "cl/matrix_units/search_matrix.cl" suffix(, )
    0};

static const char search_select[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_select.cl" suffix(, )
    0};

static const char search_rescore[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_rescore.cl" suffix(, )
    0};

static const char codes_scan[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_places.cl" suffix(, )
#embed "cl/codes/codes_common.cl" suffix(, )
#embed "cl/codes/codes_scan.cl" suffix(, )
    0};

static const char codes_scan_bytes[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_places.cl" suffix(, )
#embed "cl/codes/codes_common.cl" suffix(, )
#embed "cl/codes/codes_scan_bytes.cl" suffix(, )
    0};

static const char codes_exact[] = {
#embed "cl/search/search_common.cl" suffix(, )
#embed "cl/search/search_places.cl" suffix(, )
#embed "cl/codes/codes_exact.cl" suffix(, )
    0};

// Goes before kernels that are put together at run time.
static const char formula[] = {
#embed "cl/tensors/elementary.cl" suffix(, )
#embed "cl/tensors/formula.cl" suffix(, )
    0};

static const char multiply_sparse[] = {
#embed "cl/tensors/multiply_sparse.cl" suffix(, )
    0};

static const char apply_function[] = {
#embed "cl/tensors/elementary.cl" suffix(, )
#embed "cl/tensors/apply_function.cl" suffix(, )
    0};

static const struct {
  const char *name;
  const char *text;
} sources[] = {
    {"common", common},
    {"probe", probe},
    {"pack_panels", pack_panels},
    {"multiply", multiply},
    {"canonical_scores", canonical_scores},
    {"find", find},
    {"gather", gather},
    {"lookup_scores", lookup_scores},
    {"encode", encode},
    {"top_k", top_k},
    {"accumulate_clusters", accumulate_clusters},
    {"search_pack", search_pack},
    {"search_terms", search_terms},
    {"search_filter", search_filter},
    {"search_round", search_round},
    {"search_matrix", search_matrix},
    {"search_select", search_select},
    {"search_rescore", search_rescore},
    {"codes_scan", codes_scan},
    {"codes_scan_bytes", codes_scan_bytes},
    {"codes_exact", codes_exact},
    {"formula", formula},
    {"multiply_sparse", multiply_sparse},
    {"apply_function", apply_function},
};

const char *kernels_text(size_t index) {
  return index < sizeof sources / sizeof sources[0] ? sources[index].text : NULL;
}

const char *kernels_source(const char *name) {
  for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
    if (strcmp(sources[i].name, name) == 0) return sources[i].text;
  }
  return NULL;
}
