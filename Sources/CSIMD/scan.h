// Codes of 4 bits: bytes looked up by shuffles to find the few rows that may be hits, and those rows'
// sums in Float32. Part of kernels.h.

// One row's Float32 sums are in rising parts, as the device contract says.
static void score_codes(const csimd_codes *codes, const float *table, size_t codewords,
                        int largest_first, uint64_t *keys, size_t count) {
  size_t stride = codes->parts * CSIMD_CODE_WIDTH;
  for (size_t first = 0; first < count; first += 8) {  // side by side, to hide the latency of one
    size_t n = count - first < 8 ? count - first : 8;
    const uint8_t *places[8];
    uint32_t shifts[8];
    float sums[8] = {0};
    for (size_t j = 0; j < 8; j++) {
      uint32_t row = (uint32_t)keys[first + (j < n ? j : 0)];
      places[j] = codes->groups + row / CSIMD_PANEL * stride + row % CSIMD_CODE_WIDTH;
      shifts[j] = row % CSIMD_PANEL / CSIMD_CODE_WIDTH * 4;
    }
    for (size_t m = 0; m < codes->used_parts; m++)
#pragma clang loop unroll(full)
      for (size_t j = 0; j < 8; j++)
        sums[j] += table[m * codewords + (places[j][m * CSIMD_CODE_WIDTH] >> shifts[j] & 15)];
    for (size_t j = 0; j < n; j++)
      keys[first + j] = (uint64_t)csimd_order_key(sums[j], largest_first) << 32 |
                        (uint32_t)keys[first + j];
  }
}

#ifdef LOOKUP

typedef uint8_t bytes __attribute__((vector_size(WIDTH * 4)));
typedef uint16_t shorts __attribute__((vector_size(WIDTH * 4)));
typedef uint16_t shorts8 __attribute__((vector_size(16)));
typedef uint16_t shorts16 __attribute__((vector_size(32)));
typedef uint16_t shorts32 __attribute__((vector_size(64)));
typedef _Bool flags32 __attribute__((ext_vector_type(32)));

// Parts in a register.
#define PARTS (WIDTH / 4)

// The sums of a group for one query. Bytes of rows 2 j and 2 j + 1 are side by side: `both` adds
// them as one number of 16 bits, `odd` the latter alone.
typedef struct {
  shorts low_both, low_odd, high_both, high_odd;
} group_sums;

INLINE void add_bytes(bytes low, bytes high, group_sums *sums) {
  sums->low_both += (shorts)low;
  sums->low_odd += (shorts)low >> 8;
  sums->high_both += (shorts)high;
  sums->high_odd += (shorts)high >> 8;
}

// The sixteen rows' sums over all parts of a register.
INLINE shorts16 sixteen_rows(shorts both, shorts odd) {
  shorts even = both - (odd << 8);
  shorts8 evens[PARTS], odds[PARTS];
  memcpy(evens, &even, sizeof even);
  memcpy(odds, &odd, sizeof odd);
  for (size_t p = 1; p < PARTS; p++) {
    evens[0] += evens[p];
    odds[0] += odds[p];
  }
  return __builtin_shufflevector(evens[0], odds[0], 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14,
                                 7, 15);
}

INLINE void append_rows(const group_sums *sums, uint32_t rows, size_t first_row,
                        csimd_code_list *list) {
  shorts16 low = sixteen_rows(sums->low_both, sums->low_odd);
  shorts16 high = sixteen_rows(sums->high_both, sums->high_odd);
  shorts32 all = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                         14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                                         28, 29, 30, 31);
  shorts32 limit = (shorts32){0} + list->limit;
  flags32 flags = __builtin_convertvector(all <= limit, flags32);
  uint32_t passing;
  memcpy(&passing, &flags, sizeof passing);
  passing &= rows;
  if (passing == 0) return;
  uint16_t found[CSIMD_PANEL];
  memcpy(found, &all, sizeof found);
  for (; passing != 0; passing &= passing - 1) {
    uint32_t row = (uint32_t)__builtin_ctz(passing);
    list->keys[list->count++] = (uint64_t)found[row] << 32 | (first_row + row);
  }
}

// For n queries, a constant once inlined.
INLINE size_t scan_for(const csimd_codes *codes, const uint8_t *tables, const size_t n,
                       size_t begin, size_t end, csimd_code_list *lists) {
  size_t stride = codes->parts * CSIMD_CODE_WIDTH;
  const bytes mask = (bytes){0} + 15;
  for (size_t g = begin; g < end; g++) {
    for (size_t q = 0; q < n; q++)
      if (lists[q].capacity - lists[q].count < CSIMD_PANEL) return g;
    const uint8_t *group = codes->groups + g * stride;
    group_sums sums[CSIMD_SCAN_QUERIES] = {0};
    size_t at = 0;
    // Two entries add up in a byte.
    for (; at + 2 * sizeof(bytes) <= stride; at += 2 * sizeof(bytes)) {
      bytes pair[2];
      memcpy(pair, group + at, sizeof pair);
      bytes low[2] = {pair[0] & mask, pair[1] & mask};
      bytes high[2] = {pair[0] >> 4 & mask, pair[1] >> 4 & mask};
#pragma clang loop unroll(full)
      for (size_t q = 0; q < n; q++) {
        bytes table[2];
        memcpy(table, tables + q * stride + at, sizeof table);
        add_bytes(LOOKUP(table[0], low[0]) + LOOKUP(table[1], low[1]),
                  LOOKUP(table[0], high[0]) + LOOKUP(table[1], high[1]), sums + q);
      }
    }
    if (at < stride) {
      bytes codes_here;
      memcpy(&codes_here, group + at, sizeof codes_here);
#pragma clang loop unroll(full)
      for (size_t q = 0; q < n; q++) {
        bytes table;
        memcpy(&table, tables + q * stride + at, sizeof table);
        add_bytes(LOOKUP(table, codes_here & mask), LOOKUP(table, codes_here >> 4 & mask),
                  sums + q);
      }
    }
    size_t left = codes->row_count - g * CSIMD_PANEL;
    uint32_t rows = left < CSIMD_PANEL ? (1u << left) - 1 : UINT32_MAX;
#pragma clang loop unroll(full)
    for (size_t q = 0; q < n; q++) append_rows(sums + q, rows, g * CSIMD_PANEL, lists + q);
  }
  return end;
}

static size_t scan_codes(const csimd_codes *codes, const uint8_t *tables, size_t query_count,
                         size_t begin, size_t end, csimd_code_list *lists) {
  switch (query_count) {
    case 1: return scan_for(codes, tables, 1, begin, end, lists);
    case 2: return scan_for(codes, tables, 2, begin, end, lists);
    case 3: return scan_for(codes, tables, 3, begin, end, lists);
    default: return scan_for(codes, tables, 4, begin, end, lists);
  }
}

#undef PARTS
#endif
