#include "COpenBLAS.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// OpenBLAS reads the variable while it is loaded, and starts as many threads, each of which keeps a
// core busy for some 25 ms. What the user has set stays; programs started later do not see ours.
static void *open_without_threads(const char *path) {
  const char *name = "OPENBLAS_NUM_THREADS";
  bool chosen = getenv(name) != NULL;
  if (!chosen) setenv(name, "1", 0);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!chosen) unsetenv(name);
  return library;
}

// The name of the first function the library lacks, or NULL if it has them all.
static const char *fill(void *library, copenblas_api *api) {
#define LOOK_UP(name)                                                                              \
  void *name##_address = dlsym(library, #name);                                                    \
  if (!name##_address) return #name;                                                               \
  api->name = (__typeof__(api->name))name##_address;
  LOOK_UP(cblas_sgemm)
  LOOK_UP(openblas_set_num_threads)
  LOOK_UP(openblas_get_config)
#undef LOOK_UP
  return NULL;
}

bool copenblas_open(const char *path, copenblas_api *api, char *message, size_t message_bytes) {
  void *library = open_without_threads(path);
  if (!library) {
    const char *reason = dlerror();
    snprintf(message, message_bytes, "%s", reason ? reason : "dlopen failed");
    return false;
  }
  const char *missing = fill(library, api);
  // Builds for sides beyond 2^31 take 64-bit numbers where the declarations above have int.
  if (!missing && strstr(api->openblas_get_config(), "USE64BITINT")) missing = "with 32-bit sizes";
  if (!missing) return true;
  snprintf(message, message_bytes, "%s has no %s", path, missing);
  dlclose(library);
  return false;
}
