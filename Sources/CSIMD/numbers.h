// Stored numbers as Float32. Part of kernels.h.

// Sixteen stored numbers as Float32. `count` < 16 leaves the rest zero.
INLINE float16 load16(const char *source, int32_t element, size_t count) {
  switch (element) {
  case CSIMD_FLOAT32: {
    float16 values = {0};
    memcpy(&values, source, count * 4);
    return values;
  }
  case CSIMD_FLOAT16: {
#ifdef HAS_HALF
    typedef _Float16 half16 __attribute__((vector_size(32)));
    half16 halves = {0};
    memcpy(&halves, source, count * 2);
    return __builtin_convertvector(halves, float16);
#else
    ushort16 stored = {0};
    memcpy(&stored, source, count * 2);
    uint16w bits = __builtin_convertvector(stored, uint16w);
    uint16w sign = (bits & 0x8000) << 16;
    // The exponent moves from bias 15 to 127 by an exact product, subnormals included; a full
    // exponent (infinity, NaN) is restored by hand.
    float16 magnitude = (float16)((bits & 0x7FFF) << 13) * 0x1p112f;
    uint16w full = (uint16w)((bits & 0x7C00) == 0x7C00) & 0x7F800000;
    return (float16)((uint16w)magnitude | full | sign);
#endif
  }
  case CSIMD_BFLOAT16: {
    ushort16 stored = {0};
    memcpy(&stored, source, count * 2);
    return (float16)(__builtin_convertvector(stored, uint16w) << 16);
  }
  case CSIMD_INT8: {
    typedef int8_t char16 __attribute__((vector_size(16)));
    char16 stored = {0};
    memcpy(&stored, source, count);
    return __builtin_convertvector(stored, float16);
  }
  default: {
    typedef uint8_t uchar16 __attribute__((vector_size(16)));
    uchar16 stored = {0};
    memcpy(&stored, source, count);
    return __builtin_convertvector(stored, float16);
  }
  }
}

INLINE size_t element_bytes(int32_t element) {
  return element == CSIMD_FLOAT32 ? 4 : element <= CSIMD_BFLOAT16 ? 2 : 1;
}

INLINE void widen_as(const char *source, int32_t element, size_t dimension, float *target) {
  size_t bytes = element_bytes(element);
  size_t d = 0;
  for (; d + 16 <= dimension; d += 16) {
    float16 values = load16(source + d * bytes, element, 16);
    memcpy(target + d, &values, 64);
  }
  if (d < dimension) {
    float16 values = load16(source + d * bytes, element, dimension - d);
    memcpy(target + d, &values, (dimension - d) * 4);
  }
}

static void widen(csimd_rows rows, size_t row, float *target) {
  const char *source = (const char *)rows.start + row * rows.stride;
  switch (rows.element) {
  case CSIMD_FLOAT32: return widen_as(source, CSIMD_FLOAT32, rows.dimension, target);
  case CSIMD_FLOAT16: return widen_as(source, CSIMD_FLOAT16, rows.dimension, target);
  case CSIMD_BFLOAT16: return widen_as(source, CSIMD_BFLOAT16, rows.dimension, target);
  case CSIMD_INT8: return widen_as(source, CSIMD_INT8, rows.dimension, target);
  default: return widen_as(source, CSIMD_UINT8, rows.dimension, target);
  }
}

INLINE void prefetch(const char *source, size_t bytes) {
  for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(source + line);
}
