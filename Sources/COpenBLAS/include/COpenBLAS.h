// OpenBLAS (https://github.com/OpenMathLib/OpenBLAS), found at run time: nothing here links against
// it or needs its headers.
#ifndef COPENBLAS_H
#define COPENBLAS_H

#include <stdbool.h>
#include <stddef.h>

/// The values of CBLAS_ORDER and CBLAS_TRANSPOSE in use.
enum { COPENBLAS_ROW_MAJOR = 101, COPENBLAS_PLAIN = 111, COPENBLAS_TRANSPOSED = 112 };

/// The functions of one library.
typedef struct copenblas_api {
  /// result = alpha * a * b + beta * result; the last argument of each matrix is its row stride.
  void (*cblas_sgemm)(int order, int a_transposed, int b_transposed, int rows, int columns,
                      int inner, float alpha, const float *a, int a_stride, const float *b,
                      int b_stride, float beta, float *result, int result_stride);
  /// Sets how many threads the next products have, and starts those that are missing.
  void (*openblas_set_num_threads)(int count);
  /// Tells how the library was built.
  char *(*openblas_get_config)(void);
} copenblas_api;

/// Opens the library at `path` (a file, or a name for the system's search) and fills `api`.
///
/// The library starts no threads of its own before it is told to, unless OPENBLAS_NUM_THREADS is
/// set. It stays loaded. On failure returns false and writes the reason into `message`.
bool copenblas_open(const char *path, copenblas_api *api, char *message, size_t message_bytes);

#endif
