// The place of a score among others as a whole number.
#ifndef CSIMD_ORDER_KEY_H
#define CSIMD_ORDER_KEY_H

#include "CSIMD.h"

#include <math.h>
#include <string.h>

static inline uint32_t order_key(float score, int largest_first) {
  if (isnan(score)) return UINT32_MAX;
  float positive_zero = score + 0.0f;
  uint32_t bits;
  memcpy(&bits, &positive_zero, sizeof bits);
  uint32_t rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return largest_first ? ~rising : rising;
}

#endif
