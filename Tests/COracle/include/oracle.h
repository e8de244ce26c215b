// The specification of scores and order a second time, written from the design and not from the
// Swift code, so that a mistake in one shows as a difference from the other. C, because the tests
// run unoptimised and unoptimised C is fast enough for 20,000 rows.

#pragma once
#include <stdbool.h>
#include <stdint.h>

enum oracle_metric { oracle_inner_product, oracle_squared_l2, oracle_cosine };

/// The canonical score: 16 Float64 lanes, dimension i in lane i mod 16, a fixed tree, one rounding.
float oracle_score(enum oracle_metric metric, const float *query, const float *vector,
                   int64_t dimension);

/// `scores[i * vector_count + j]` is the canonical score of query i and vector j.
void oracle_scores(enum oracle_metric metric, const float *queries, int64_t query_count,
                   const float *vectors, int64_t vector_count, int64_t dimension, float *scores);

/// Writes the places of `scores` best first; ties by lower place, NaN last.
void oracle_rank(const float *scores, int64_t count, bool largest_first, int64_t *places);

/// The plain Float64 sum of products, and in `magnitude` the product of both lengths. Numbers of
/// `a` and `b` lie `a_step` and `b_step` apart.
double oracle_inner_product_near(const float *a, int64_t a_step, const float *b, int64_t b_step,
                                 int64_t count, double *magnitude);
