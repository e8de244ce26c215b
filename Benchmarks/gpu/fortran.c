// The one function of Fortran's runtime that OpenBLAS's LAPACK calls on our way through it: two
// strings, one after the other, padded with spaces. It saves linking, and installing, the rest.
#include <stddef.h>
#include <string.h>

void _gfortran_concat_string(size_t length, char *target, size_t first_length, const char *first,
                             size_t second_length, const char *second) {
  size_t taken = first_length < length ? first_length : length;
  memcpy(target, first, taken);
  size_t rest = second_length < length - taken ? second_length : length - taken;
  memcpy(target + taken, second, rest);
  memset(target + taken + rest, ' ', length - taken - rest);
}
