#include "oracle.h"

#include <math.h>
#include <stdlib.h>

// Fused operations only where the specification says `fma`.
#pragma STDC FP_CONTRACT OFF

static double products(const float *a, const float *b, int64_t dimension) {
  double lanes[16] = {0};
  for (int64_t i = 0; i < dimension; i++) {
    lanes[i % 16] = fma((double)a[i], (double)b[i], lanes[i % 16]);
  }
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

static double squared_differences(const float *a, const float *b, int64_t dimension) {
  double lanes[16] = {0};
  for (int64_t i = 0; i < dimension; i++) {
    double difference = (double)a[i] - (double)b[i];
    lanes[i % 16] = fma(difference, difference, lanes[i % 16]);
  }
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

static float without_negative_zero(float score) { return score == 0 ? 0 : score; }

float oracle_score(enum oracle_metric metric, const float *query, const float *vector,
                   int64_t dimension) {
  if (metric == oracle_squared_l2) {
    return (float)squared_differences(query, vector, dimension);
  }
  double sum = products(query, vector, dimension);
  if (metric == oracle_inner_product) return without_negative_zero((float)sum);
  double query_length = sqrt(products(query, query, dimension));
  double vector_length = sqrt(products(vector, vector, dimension));
  if (query_length == 0 || vector_length == 0) return 0;
  return without_negative_zero((float)(sum / (query_length * vector_length)));
}

void oracle_scores(enum oracle_metric metric, const float *queries, int64_t query_count,
                   const float *vectors, int64_t vector_count, int64_t dimension, float *scores) {
  for (int64_t i = 0; i < query_count; i++) {
    for (int64_t j = 0; j < vector_count; j++) {
      scores[i * vector_count + j] =
          oracle_score(metric, queries + i * dimension, vectors + j * dimension, dimension);
    }
  }
}

struct ranked {
  float key;  // Smaller is better.
  int64_t place;
};

static int compare(const void *left, const void *right) {
  const struct ranked *a = left, *b = right;
  if (isnan(a->key) != isnan(b->key)) return isnan(a->key) ? 1 : -1;
  if (a->key < b->key) return -1;
  if (a->key > b->key) return 1;
  return a->place < b->place ? -1 : 1;
}

void oracle_rank(const float *scores, int64_t count, bool largest_first, int64_t *places) {
  if (count == 0) return;
  struct ranked *ranked = malloc((size_t)count * sizeof *ranked);
  if (!ranked) abort();
  for (int64_t i = 0; i < count; i++) {
    ranked[i] = (struct ranked){largest_first ? -scores[i] : scores[i], i};
  }
  qsort(ranked, (size_t)count, sizeof *ranked, compare);
  for (int64_t i = 0; i < count; i++) places[i] = ranked[i].place;
  free(ranked);
}

double oracle_inner_product_near(const float *a, int64_t a_step, const float *b, int64_t b_step,
                                 int64_t count, double *magnitude) {
  double sum = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < count; i++) {
    double x = a[i * a_step], y = b[i * b_step];
    sum += x * y;
    aa += x * x;
    bb += y * y;
  }
  *magnitude = sqrt(aa) * sqrt(bb);
  return sum;
}
