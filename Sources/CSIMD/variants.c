#include "CSIMD.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

extern const csimd_kernels csimd_portable;
#if defined(__x86_64__)
extern const csimd_kernels csimd_avx2, csimd_avxvnni, csimd_avx512, csimd_avx512vnni,
    csimd_avx512vbmi;
#elif defined(__aarch64__)
extern const csimd_kernels csimd_neon, csimd_neondot;

static int has_dot_products(void) {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & 1 << 20) != 0;  // HWCAP_ASIMDDP
#elif defined(__APPLE__)
  int present = 0;
  size_t size = sizeof present;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &present, &size, NULL, 0) == 0 && present;
#else
  return 0;
#endif
}
#endif

const csimd_kernels *csimd_variant(size_t index) {
  const csimd_kernels *runnable[6] = {&csimd_portable};
  size_t count = 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("f16c");
  if (avx2) runnable[count++] = &csimd_avx2;
  if (avx2 && __builtin_cpu_supports("avxvnni")) runnable[count++] = &csimd_avxvnni;
  int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) runnable[count++] = &csimd_avx512;
  int vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  if (vnni) runnable[count++] = &csimd_avx512vnni;
  if (vnni && __builtin_cpu_supports("avx512vbmi")) runnable[count++] = &csimd_avx512vbmi;
#elif defined(__aarch64__)
  runnable[count++] = &csimd_neon;
  if (has_dot_products()) runnable[count++] = &csimd_neondot;
#endif
  return index < count ? runnable[index] : NULL;
}
