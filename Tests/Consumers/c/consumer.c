/* The job of ../README.md in C. */
#include <stdio.h>
#include <stdlib.h>
#include <tessera.h>

enum { K = 5, CLUSTERS = 8 };

static void check(tessera_status status) {
  if (status == TESSERA_OK) return;
  fprintf(stderr, "consumer: %s: %s\n", tessera_status_name(status), tessera_last_error());
  exit(1);
}

static void *room(int64_t count, size_t size) {
  void *memory = calloc((size_t)count, size);
  if (memory == NULL) exit(70);
  return memory;
}

static void put(FILE *out, const void *numbers, size_t size, int64_t count) {
  if (fwrite(numbers, size, (size_t)count, out) != (size_t)count) exit(74);
}

static void search(FILE *out, const tessera_search *how, const tessera_rows *queries,
                   const tessera_search_options *options) {
  int64_t count = queries->count * K;
  int64_t *ids = room(count, sizeof *ids);
  float *scores = room(count, sizeof *scores);
  check(tessera_search_nearest(how, queries, K, options, NULL, ids, scores, NULL));
  put(out, ids, sizeof *ids, count);
  put(out, scores, sizeof *scores, count);
  free(ids);
  free(scores);
}

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  FILE *out = fopen(argv[3], "wb");
  if (out == NULL) return 73;

  tessera_device *device;
  tessera_vectors *base, *asked;
  tessera_rows points, queries;
  check(tessera_device_open("cpu", NULL, &device));
  check(tessera_vectors_open(argv[1], &base));
  check(tessera_vectors_open(argv[2], &asked));
  check(tessera_vectors_rows(base, &points));
  check(tessera_vectors_rows(asked, &queries));

  tessera_search *exact;
  check(tessera_search_vectors(base, TESSERA_INNER_PRODUCT, device, &exact));
  search(out, exact, &queries, NULL);

  tessera_filter *some;
  check(tessera_filter_range(0, 100, &some));
  tessera_search_options options = TESSERA_INIT(tessera_search_options);
  options.filter = some;
  search(out, exact, &queries, &options);

  tessera_index *index;
  tessera_search *lists;
  check(tessera_index_build("IVF16,Flat", base, TESSERA_INNER_PRODUCT, NULL, 0, NULL, device, NULL,
                            &index));
  check(tessera_search_index(index, device, &lists));
  options = TESSERA_INIT(tessera_search_options);
  options.probes = 4;
  search(out, lists, &queries, &options);

  /* The queries become rows, which are found, and are removed again. */
  tessera_living *living;
  tessera_search *changing;
  int64_t *given = room(queries.count, sizeof *given);
  int64_t removed = 0;
  check(tessera_living_create(index, &living));
  check(tessera_search_living(living, device, &changing));
  check(tessera_living_add(living, &queries, NULL, 0, given));
  search(out, changing, &queries, &options);
  check(tessera_living_compact(living, device, NULL));
  search(out, changing, &queries, &options);
  check(tessera_living_remove(living, given, queries.count, &removed));
  if (removed != queries.count) return 70;
  search(out, changing, &queries, &options);
  free(given);

  float *centroids = room(CLUSTERS * points.dimension, sizeof *centroids);
  int32_t *labels = room(points.count, sizeof *labels);
  check(tessera_kmeans(&points, CLUSTERS, NULL, device, NULL, centroids, labels, NULL, NULL));
  put(out, centroids, sizeof *centroids, CLUSTERS * points.dimension);
  put(out, labels, sizeof *labels, points.count);
  free(labels);

  /* The same clusters of rows that two machines have: one update from the centroids above. */
  enum { CHUNK = 500 };
  tessera_kmeans_options shared = TESSERA_INIT(tessera_kmeans_options);
  tessera_rows old = {centroids, TESSERA_FLOAT32, CLUSTERS, points.dimension, 0};
  tessera_rows own = points;
  tessera_bytes *parts[2], *merged;
  const void *data[2], *all;
  int64_t sizes[2], size;
  shared.chunk_rows = CHUNK;
  for (int machine = 0; machine < 2; machine++) {
    int64_t first = machine * 2 * CHUNK;
    own.data = (const char *)points.data + first * points.stride;
    own.count = machine == 0 ? 2 * CHUNK : points.count - first;
    check(tessera_kmeans_partial(&own, first, &old, &shared, device, NULL, &parts[machine]));
    check(tessera_bytes_get(parts[machine], &data[machine], &sizes[machine]));
  }
  check(tessera_kmeans_merge(data, sizes, 2, &merged));
  check(tessera_bytes_get(merged, &all, &size));
  float *next = room(CLUSTERS * points.dimension, sizeof *next);
  check(tessera_kmeans_step(all, size, points.count, &old, next, NULL, NULL));
  put(out, next, sizeof *next, CLUSTERS * points.dimension);
  free(next);
  free(centroids);

  /* What the second half may hold at best. */
  float *center = room(points.dimension, sizeof *center);
  float *bounds = room(queries.count, sizeof *bounds);
  float radius;
  check(tessera_shard_ball(&own, TESSERA_INNER_PRODUCT, NULL, center, &radius));
  tessera_rows centers = {center, TESSERA_FLOAT32, 1, points.dimension, 0};
  check(tessera_shard_bounds(&centers, &radius, TESSERA_INNER_PRODUCT, &queries, bounds));
  put(out, bounds, sizeof *bounds, queries.count);
  free(bounds);
  free(center);
  check(tessera_free(parts[0]));
  check(tessera_free(parts[1]));
  check(tessera_free(merged));

  void *handles[] = {device, base, asked, exact, some, index, lists, living, changing};
  for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) check(tessera_free(handles[i]));
  if (tessera_handle_count() != 0) return 70;
  /* What was freed is an error, and nothing worse. */
  if (tessera_free(device) != TESSERA_INVALID_ARGUMENT) return 70;
  return fclose(out) == 0 ? 0 : 74;
}
