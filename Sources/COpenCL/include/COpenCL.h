// OpenCL, found at run time: nothing here links against an OpenCL library.
#ifndef COPENCL_H
#define COPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>

#pragma clang assume_nonnull begin

// Every entry point in use. All are in OpenCL 1.2.
#define COPENCL_ENTRY_POINTS(ENTRY)                                                                \
  ENTRY(clGetPlatformIDs)                                                                          \
  ENTRY(clGetPlatformInfo)                                                                         \
  ENTRY(clGetDeviceIDs)                                                                            \
  ENTRY(clGetDeviceInfo)                                                                           \
  ENTRY(clCreateContext)                                                                           \
  ENTRY(clReleaseContext)                                                                          \
  ENTRY(clCreateCommandQueue)                                                                      \
  ENTRY(clReleaseCommandQueue)                                                                     \
  ENTRY(clFlush)                                                                                   \
  ENTRY(clFinish)                                                                                  \
  ENTRY(clCreateBuffer)                                                                            \
  ENTRY(clReleaseMemObject)                                                                        \
  ENTRY(clEnqueueReadBuffer)                                                                       \
  ENTRY(clEnqueueWriteBuffer)                                                                      \
  ENTRY(clEnqueueWriteBufferRect)                                                                  \
  ENTRY(clEnqueueCopyBuffer)                                                                       \
  ENTRY(clEnqueueMapBuffer)                                                                        \
  ENTRY(clEnqueueUnmapMemObject)                                                                   \
  ENTRY(clCreateProgramWithSource)                                                                 \
  ENTRY(clCreateProgramWithBinary)                                                                 \
  ENTRY(clBuildProgram)                                                                            \
  ENTRY(clGetProgramInfo)                                                                          \
  ENTRY(clGetProgramBuildInfo)                                                                     \
  ENTRY(clReleaseProgram)                                                                          \
  ENTRY(clCreateKernel)                                                                            \
  ENTRY(clReleaseKernel)                                                                           \
  ENTRY(clSetKernelArg)                                                                            \
  ENTRY(clGetKernelWorkGroupInfo)                                                                  \
  ENTRY(clEnqueueNDRangeKernel)                                                                    \
  ENTRY(clWaitForEvents)                                                                           \
  ENTRY(clReleaseEvent)

/// The entry points of one library.
typedef struct copencl_api {
#define COPENCL_FIELD(name) __typeof__(name) *name;
  COPENCL_ENTRY_POINTS(COPENCL_FIELD)
#undef COPENCL_FIELD
} copencl_api;

/// Opens the library at `path` (a file, or a name for the system's search) and fills `api`.
///
/// It may be an ICD loader, a vendor's library that exports OpenCL directly, or one that only an
/// ICD loader could use: for those the entry points come from the dispatch table of their
/// platforms. The library stays loaded: drivers do not survive being unloaded. On failure returns
/// false and writes the reason into `message`.
bool copencl_open(const char *path, copencl_api *api, char *message, size_t message_bytes);

#pragma clang assume_nonnull end

#endif
