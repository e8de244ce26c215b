// The system's OpenBLAS: https://github.com/OpenMathLib/OpenBLAS
#include <cblas.h>

// LAPACK, which OpenBLAS carries: the eigenvalues of a symmetric matrix, rising, and its
// eigenvectors in place of it. The last two arguments are the lengths of the first two.
void ssyevd_(const char *jobz, const char *uplo, const int *n, float *a, const int *lda, float *w,
             float *work, const int *lwork, int *iwork, const int *liwork, int *info,
             unsigned long jobz_length, unsigned long uplo_length);
