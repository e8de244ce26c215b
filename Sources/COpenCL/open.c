#include "COpenCL.h"

#include <CL/cl_icd.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Drivers read these once, at their first call: let one buffer be as large as the memory. What the
// user has set stays.
static void lift_allocation_limits(void) {
  setenv("GPU_SINGLE_ALLOC_PERCENT", "100", 0);
  long megabytes = sysconf(_SC_PHYS_PAGES) / (1024 * 1024 / sysconf(_SC_PAGESIZE));
  char size[32];
  snprintf(size, sizeof size, "%ldMB", megabytes);
  setenv("CL_CONFIG_CPU_FORCE_MAX_MEM_ALLOC_SIZE", size, 0);
}

// The name of the first entry point the library does not export, or NULL if it has them all.
static const char *fill_from_exports(void *library, copencl_api *api) {
#define LOOK_UP(name)                                                                              \
  void *name##_address = dlsym(library, #name);                                                    \
  if (!name##_address) return #name;                                                               \
  api->name = (__typeof__(api->name))name##_address;
  COPENCL_ENTRY_POINTS(LOOK_UP)
#undef LOOK_UP
  return NULL;
}

typedef void *(*extension_lookup)(const char *);
typedef __typeof__(clGetPlatformIDs) *platform_lookup;

// Takes the entry points as an ICD loader does: the first word of every platform is the address of
// its dispatch table.
static bool fill_from_dispatch(void *library, copencl_api *api) {
  extension_lookup extension =
      (extension_lookup)dlsym(library, "clGetExtensionFunctionAddress");
  if (!extension) return false;
  platform_lookup platforms = (platform_lookup)extension("clIcdGetPlatformIDsKHR");
  cl_platform_id platform = NULL;
  if (!platforms || platforms(1, &platform, NULL) != CL_SUCCESS || !platform) return false;
  const cl_icd_dispatch *dispatch = *(const cl_icd_dispatch *const *)platform;
#define TAKE(name)                                                                                 \
  if (dispatch->name) api->name = dispatch->name;                                                  \
  else return false;
  COPENCL_ENTRY_POINTS(TAKE)
#undef TAKE
  // The table's own entry belongs to the loader and may refuse to answer.
  api->clGetPlatformIDs = platforms;
  return true;
}

bool copencl_open(const char *path, copencl_api *api, char *message, size_t message_bytes) {
  lift_allocation_limits();
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(message, message_bytes, "%s", dlerror());
    return false;
  }
  const char *missing = fill_from_exports(library, api);
  if (!missing || fill_from_dispatch(library, api)) return true;
  snprintf(message, message_bytes, "%s has no entry point %s", path, missing);
  dlclose(library);
  return false;
}
