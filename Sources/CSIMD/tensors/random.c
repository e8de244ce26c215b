#include "CSIMD.h"

// Philox4x32-10 (Salmon et al. 2011), four words for a counter.
static void philox(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    uint64_t first = (uint64_t)counter[0] * 0xD2511F53u;
    uint64_t second = (uint64_t)counter[2] * 0xCD9E8D57u;
    uint32_t one = counter[1], three = counter[3];
    counter[0] = (uint32_t)(second >> 32) ^ one ^ key0;
    counter[1] = (uint32_t)second;
    counter[2] = (uint32_t)(first >> 32) ^ three ^ key1;
    counter[3] = (uint32_t)first;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

void csimd_random_units(uint64_t seed, uint64_t step, uint64_t first, uint32_t draw, float *target,
                        size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint64_t element = first + i;
    uint32_t counter[4] = {(uint32_t)element, (uint32_t)(element >> 32) ^ draw / 4 << 16,
                           (uint32_t)step, (uint32_t)(step >> 32)};
    philox(counter, (uint32_t)seed, (uint32_t)(seed >> 32));
    target[i] = (float)(counter[draw % 4] >> 8) * 0x1p-24f;
  }
}
