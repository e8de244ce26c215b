// The OpenCL C sources, compiled into the program as text.
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>

/// The text of the program `name`, whose last file is `<name>.cl` in a folder of `cl`, or NULL if there
/// is none. `common` goes before every other.
const char *_Nullable kernels_source(const char *_Nonnull name);

/// The texts of all files, one after the other; NULL past the last.
const char *_Nullable kernels_text(size_t index);

#endif
