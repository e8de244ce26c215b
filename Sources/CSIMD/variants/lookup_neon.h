// Shuffles of bytes with NEON: within a register, and within the sixteen that hold a table of 256.
#include <arm_neon.h>
#define LOOKUP(table, indices) \
  (bytes) vqtbl1q_u8((uint8x16_t)(table), (uint8x16_t)(indices))
#define FOUR_REGISTERS(entries, i)                                                          \
  (uint8x16x4_t) {                                                                          \
    (uint8x16_t)(entries)[4 * (i)], (uint8x16_t)(entries)[4 * (i) + 1],                     \
        (uint8x16_t)(entries)[4 * (i) + 2], (uint8x16_t)(entries)[4 * (i) + 3]              \
  }
// An index that is out of reach gives 0, or leaves what there is.
#define LOOKUP_BYTES(entries, indices)                                                      \
  (bytes) vqtbx4q_u8(                                                                       \
      vqtbx4q_u8(vqtbx4q_u8(vqtbl4q_u8(FOUR_REGISTERS(entries, 0), (uint8x16_t)(indices)),  \
                            FOUR_REGISTERS(entries, 1), (uint8x16_t)((indices) - 64)),      \
                 FOUR_REGISTERS(entries, 2), (uint8x16_t)((indices) - 128)),                \
      FOUR_REGISTERS(entries, 3), (uint8x16_t)((indices) - 192))
