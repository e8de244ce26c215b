// The OpenCL C sources, compiled into the program as text.
#ifndef KERNELS_H
#define KERNELS_H

/// The text of `cl/<name>.cl`, or NULL if there is none. `common` goes before every other.
const char *_Nullable kernels_source(const char *_Nonnull name);

#endif
