// The package manager builds no C target without a source; the header is all there is, and Swift
// implements it in Sources/TesseraC.
#include "tessera.h"
