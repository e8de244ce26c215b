// The system's OpenBLAS: https://github.com/OpenMathLib/OpenBLAS
#include <cblas.h>
