// The header is what this target is for; Swift implements it in Sources/TesseraC.
#include "tessera.h"

#include <math.h>

#ifdef __linux__
// Swift's own libraries refer to hypotf, and nothing here calls it. The newest one of glibc is of version
// 2.35, and would keep libtessera from systems of 2.34 that have everything else.
__attribute__((visibility("hidden"))) float hypotf(float x, float y) {
  return (float)sqrt((double)x * x + (double)y * y);
}
#endif
