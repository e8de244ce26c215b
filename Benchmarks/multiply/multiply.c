// The kernels' Float32 product against OpenBLAS, in turn, medians: multiply [VARIANT]
//
// Blocked as BlockedProduct.swift does it; with two threads each takes half of the rows.

#include "COpenBLAS.h"
#include "CSIMD.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUN = 256, MOST_COLUMNS = 1024, STRIPS = 16, ROUNDS = 7 };

static const csimd_kernels *kernels;

typedef struct {
  const float *a, *b;
  float *result;
  size_t row, rows, column, columns, inner, stride;
} task;

static void *multiply(void *argument) {
  const task *t = argument;
  size_t height = kernels->query_block, width = kernels->tile_columns;
  float *left = malloc(height * STRIPS * RUN * sizeof(float));
  float *right = malloc((MOST_COLUMNS + width) * RUN * sizeof(float));
  for (size_t c = t->column; c < t->column + t->columns; c += MOST_COLUMNS) {
    size_t columns = t->column + t->columns - c;
    if (columns > MOST_COLUMNS) columns = MOST_COLUMNS;
    for (size_t first = 0; first < t->inner; first += RUN) {
      size_t depth = t->inner - first < RUN ? t->inner - first : RUN;
      kernels->pack_strips(t->b + first * t->stride + c, 1, t->stride, columns, depth, width, right);
      for (size_t r = t->row; r < t->row + t->rows; r += height * STRIPS) {
        size_t rows = t->row + t->rows - r;
        if (rows > height * STRIPS) rows = height * STRIPS;
        kernels->pack_strips(t->a + r * t->inner + first, t->inner, 1, rows, depth, height, left);
        kernels->multiply_strips(left, right, rows, columns, depth, 1, first > 0,
                                 t->result + r * t->stride + c, t->stride);
      }
    }
  }
  free(left), free(right);
  return NULL;
}

// Processor time of all threads, which a busy machine disturbs less than the clock on the wall.
static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  for (size_t i = 0; csimd_variant(i); i++)
    if (count < 2 || strcmp(csimd_variant(i)->name, arguments[1]) == 0) kernels = csimd_variant(i);
  copenblas_api blas;
  char message[512];
  if (!kernels || !copenblas_open("libopenblas.so.0", &blas, message, sizeof message)) {
    fprintf(stderr, "multiply: %s\n", kernels ? message : "no such instruction set here");
    return 69;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("%s against %s\n\n", kernels->name, blas.openblas_get_config());
  printf("| rows x columns x inner | threads | kernels GFLOP per processor second | OpenBLAS | ratio |\n");
  printf("|---|---|---|---|---|\n");
  size_t shapes[][3] = {{256, 256, 256},    {512, 512, 512},   {1024, 1024, 1024},
                        {2048, 2048, 2048}, {100000, 64, 384}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    size_t rows = shapes[s][0], columns = shapes[s][1], inner = shapes[s][2];
    float *a = malloc(rows * inner * 4), *b = malloc(inner * columns * 4);
    float *own = malloc(rows * columns * 4), *theirs = malloc(rows * columns * 4);
    for (size_t i = 0; i < rows * inner; i++) a[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    for (size_t i = 0; i < inner * columns; i++) b[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    for (int threads = 1; threads <= 2; threads++) {
      blas.openblas_set_num_threads(threads);
      double times[2][ROUNDS];
      for (int round = -1; round < ROUNDS; round++) {  // the first warms up
        double start = seconds();
        task halves[2];
        for (int i = 0; i < threads; i++) {
          halves[i] = (task){a, b, own, 0, rows, 0, columns, inner, columns};
          halves[i].row = rows * (size_t)i / (size_t)threads;
          halves[i].rows = rows * (size_t)(i + 1) / (size_t)threads - halves[i].row;
        }
        pthread_t other;
        if (threads == 2) pthread_create(&other, NULL, multiply, &halves[1]);
        multiply(&halves[0]);
        if (threads == 2) pthread_join(other, NULL);
        double middle = seconds();
        blas.cblas_sgemm(COPENBLAS_ROW_MAJOR, COPENBLAS_PLAIN, COPENBLAS_PLAIN, (int)rows,
                         (int)columns, (int)inner, 1, a, (int)inner, b, (int)columns, 0, theirs,
                         (int)columns);
        double end = seconds();
        if (round < 0) continue;
        times[0][round] = middle - start;
        times[1][round] = end - middle;
      }
      double largest = 0;
      for (size_t i = 0; i < rows * columns; i++) largest = fmax(largest, fabs(own[i] - theirs[i]));
      if (!(largest < 1e-3)) return printf("results differ by %g\n", largest), 70;
      double work = 2e-9 * (double)rows * (double)columns * (double)inner, rate[2];
      for (int i = 0; i < 2; i++) {
        qsort(times[i], ROUNDS, sizeof(double), rising);
        rate[i] = work / times[i][ROUNDS / 2];
      }
      printf("| %zu x %zu x %zu | %d | %.1f | %.1f | %.2f |\n", rows, columns, inner, threads,
             rate[0], rate[1], rate[0] / rate[1]);
    }
    free(a), free(b), free(own), free(theirs);
  }
}
