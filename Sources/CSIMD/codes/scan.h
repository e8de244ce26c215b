// Codes of 4 bits: bytes looked up by shuffles to find the few rows that may be hits, and those
// rows' sums in Float32. Part of kernels.h.

// Float32 sums in rising subspaces, as the device contract says. `bits` is a constant once inlined.
INLINE void score_rows(const csimd_codes *codes, const int bits, const csimd_code_query *query,
                       size_t codewords, int largest_first, const float *terms, uint64_t *keys,
                       size_t count) {
  enum { ROWS = 8 };  // side by side, to hide the latency of one
  size_t stride = codes->blocks * CSIMD_CODE_BLOCK;
  for (size_t first = 0; first < count; first += ROWS) {
    size_t n = count - first < ROWS ? count - first : ROWS;
    const uint8_t *places[ROWS];
    uint32_t shifts[ROWS];
    float sums[ROWS] = {0};
    for (size_t j = 0; j < ROWS; j++) {
      uint32_t row = (uint32_t)keys[first + (j < n ? j : 0)];
      places[j] = codes->groups + (bits == 4 ? row / 32 * stride + row % 16 * 4
                                             : row / 64 * stride + row % 64);
      shifts[j] = row % 32 / 16 * 4;
    }
    // Volatile, or else clang makes a gather of these loads, which takes longer.
    const volatile float *subspace = query->table;
    for (size_t m = 0; m < codes->subspaces; m++, subspace += codewords)
#pragma clang loop unroll(full)
      for (size_t j = 0; j < ROWS; j++) {
        uint32_t number = bits == 4
                              ? places[j][m / 4 * CSIMD_CODE_BLOCK + m % 4] >> shifts[j] & 15
                              : places[j][m * CSIMD_CODE_BLOCK];
        sums[j] += subspace[number];
      }
    for (size_t j = 0; j < n; j++) {
      uint32_t place = (uint32_t)keys[first + j];
      float score = sums[j];
      if (codes->scales) score *= codes->scales[place];
      if (codes->offsets) score += query->weight * codes->offsets[place];
      if (terms) score += terms[first + j];
      keys[first + j] = (uint64_t)csimd_order_key(score, largest_first) << 32 |
                        (codes->ranks ? (uint32_t)codes->ranks[place] : place);
    }
  }
}

static void score_codes(const csimd_codes *codes, const csimd_code_query *query, size_t codewords,
                        int largest_first, const float *terms, uint64_t *keys, size_t count) {
  if (codes->bits == 4) score_rows(codes, 4, query, codewords, largest_first, terms, keys, count);
  else score_rows(codes, 8, query, codewords, largest_first, terms, keys, count);
}

#if defined(LOOKUP) || defined(LOOKUP_SUBSPACES)
#define HAS_SCAN

typedef uint8_t bytes __attribute__((vector_size(WIDTH * 4)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint8_t bytes64 __attribute__((vector_size(64)));
typedef uint16_t shorts __attribute__((vector_size(WIDTH * 4)));
typedef uint16_t shorts8 __attribute__((vector_size(16)));
typedef uint16_t shorts16 __attribute__((vector_size(32)));
typedef uint16_t shorts32 __attribute__((vector_size(64)));
typedef float floats16 __attribute__((vector_size(64)));
typedef _Bool flags16 __attribute__((ext_vector_type(16)));
typedef _Bool flags32 __attribute__((ext_vector_type(32)));

// Tells which of sixteen rows from place `first` on may cost little enough.
INLINE uint32_t cheap_rows(const csimd_codes *codes, const csimd_code_query *query, floats16 sums,
                           size_t first) {
  floats16 costs = sums * query->gain + query->base, numbers;
  if (codes->scales) {
    memcpy(&numbers, codes->scales + first, sizeof numbers);
    costs *= numbers;
  }
  if (codes->offsets) {
    memcpy(&numbers, codes->offsets + first, sizeof numbers);
    costs += numbers * query->cost_weight;
  }
  flags16 flags = __builtin_convertvector(costs <= query->most_cost, flags16);
  uint16_t cheap;
  memcpy(&cheap, &flags, sizeof cheap);
  return cheap;
}

// Appends the rows whose bit is set, and that exist and are selected: bit b stands for place
// first + b * step.
INLINE void append_rows(const csimd_codes *codes, csimd_code_query *query, uint32_t passing,
                        const void *sums, size_t size, size_t first, size_t step,
                        size_t place_end) {
  for (; passing != 0; passing &= passing - 1) {
    size_t bit = (size_t)__builtin_ctz(passing), place = first + bit * step;
    if (place >= place_end) continue;
    if (query->selected && !(query->selected[place / 32] >> place % 32 & 1)) continue;
    uint32_t sum = 0;
    memcpy(&sum, (const char *)sums + bit * size, size);
    float cost = (float)sum * query->gain + query->base;
    if (codes->scales) cost *= codes->scales[place];
    if (codes->offsets) cost += codes->offsets[place] * query->cost_weight;
    query->keys[query->count++] =
        (uint64_t)csimd_order_key(cost + query->rest, 0) << 32 | (uint32_t)place;
  }
}
#endif

#ifdef LOOKUP_SUBSPACES

// A register holds a block, each number looked up in its own subspace's table. Four neighbouring
// bytes are a row's and are added at once.

#define MOST_ENTRY 255

typedef struct {
  ints low, high;
} group_sums;

INLINE void scan_group(const uint8_t *group, size_t stride, const uint8_t *const *tables,
                       const size_t n, group_sums *sums) {
  const bytes mask = (bytes){0} + 15, ones = (bytes){0} + 1;
  const bytes subspace = (bytes)((ints){0} + 0x30201000);
  for (size_t at = 0; at < stride; at += sizeof(bytes)) {
    bytes numbers;
    memcpy(&numbers, group + at, sizeof numbers);
    bytes low = (numbers & mask) | subspace, high = (numbers >> 4 & mask) | subspace;
#pragma clang loop unroll(full)
    for (size_t q = 0; q < n; q++) {
      bytes table;
      memcpy(&table, tables[q] + at, sizeof table);
      sums[q].low = DOT4(sums[q].low, LOOKUP_SUBSPACES(table, low), ones);
      sums[q].high = DOT4(sums[q].high, LOOKUP_SUBSPACES(table, high), ones);
    }
  }
}

INLINE void append_group(const csimd_codes *codes, const group_sums *sums, size_t first,
                         size_t place_end, csimd_code_query *query) {
  uint32_t passing;
  if (codes->scales || codes->offsets) {
    passing = cheap_rows(codes, query, __builtin_convertvector(sums->low, floats16), first) |
              cheap_rows(codes, query, __builtin_convertvector(sums->high, floats16), first + 16)
                  << 16;
  } else {
    ints most = (ints){0} + (int32_t)query->most_sum;
    flags16 flags[2] = {__builtin_convertvector(sums->low <= most, flags16),
                        __builtin_convertvector(sums->high <= most, flags16)};
    memcpy(&passing, flags, sizeof passing);
  }
  append_rows(codes, query, passing, sums, sizeof(int32_t), first, 1, place_end);
}

#elif defined(LOOKUP)

// Sixteen bytes of a register are a subspace's: a block is as many registers as it takes.

// So that two entries add up in a byte.
#define MOST_ENTRY 127
#define SUBSPACES (WIDTH / 4)

// The bytes of rows 2 j and 2 j + 1 are side by side: `both` adds them as one number of 16 bits,
// `odd` the latter alone.
typedef struct {
  shorts low_both, low_odd, high_both, high_odd;
} group_sums;

// A block's subspaces one after the other.
INLINE void load_subspaces(const uint8_t *block, bytes *subspaces) {
  bytes64 all;
  memcpy(&all, block, sizeof all);
  bytes16 split[4] = {
      __builtin_shufflevector(all, all, 0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60),
      __builtin_shufflevector(all, all, 1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49, 53, 57, 61),
      __builtin_shufflevector(all, all, 2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58,
                              62),
      __builtin_shufflevector(all, all, 3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47, 51, 55, 59,
                              63)};
  memcpy(subspaces, split, sizeof split);
}

// `count` registers, an even number or one.
INLINE void scan_registers(const bytes *numbers, const size_t count, const uint8_t *const *tables,
                           size_t at, const size_t n, group_sums *sums) {
  const bytes mask = (bytes){0} + 15;
#pragma clang loop unroll(full)
  for (size_t q = 0; q < n; q++)
#pragma clang loop unroll(full)
    for (size_t r = 0; r < count; r += 2) {
      bytes table[2];
      memcpy(table, tables[q] + at + r * sizeof(bytes), (count > 1 ? 2 : 1) * sizeof(bytes));
      bytes low = LOOKUP(table[0], numbers[r] & mask);
      bytes high = LOOKUP(table[0], numbers[r] >> 4 & mask);
      if (count > 1) {
        low += LOOKUP(table[1], numbers[r + 1] & mask);
        high += LOOKUP(table[1], numbers[r + 1] >> 4 & mask);
      }
      sums[q].low_both += (shorts)low;
      sums[q].low_odd += (shorts)low >> 8;
      sums[q].high_both += (shorts)high;
      sums[q].high_odd += (shorts)high >> 8;
    }
}

INLINE void scan_group(const uint8_t *group, size_t stride, const uint8_t *const *tables,
                       const size_t n, group_sums *sums) {
  enum { REGISTERS = CSIMD_CODE_BLOCK / sizeof(bytes), BLOCKS = REGISTERS == 1 ? 2 : 1 };
  size_t at = 0;
  for (; at + BLOCKS * CSIMD_CODE_BLOCK <= stride; at += BLOCKS * CSIMD_CODE_BLOCK) {
    bytes numbers[BLOCKS * REGISTERS];
    for (size_t b = 0; b < BLOCKS; b++)
      load_subspaces(group + at + b * CSIMD_CODE_BLOCK, numbers + b * REGISTERS);
    scan_registers(numbers, BLOCKS * REGISTERS, tables, at, n, sums);
  }
  if (at < stride) {
    bytes numbers[REGISTERS];
    load_subspaces(group + at, numbers);
    scan_registers(numbers, REGISTERS, tables, at, n, sums);
  }
}

// Sixteen rows' sums over all subspaces of a register.
INLINE shorts16 sixteen_rows(shorts both, shorts odd) {
  shorts even = both - (odd << 8);
  shorts8 evens[SUBSPACES], odds[SUBSPACES];
  memcpy(evens, &even, sizeof even);
  memcpy(odds, &odd, sizeof odd);
  for (size_t p = 1; p < SUBSPACES; p++) {
    evens[0] += evens[p];
    odds[0] += odds[p];
  }
  return __builtin_shufflevector(evens[0], odds[0], 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14,
                                 7, 15);
}

INLINE void append_group(const csimd_codes *codes, const group_sums *sums, size_t first,
                         size_t place_end, csimd_code_query *query) {
  shorts16 rows[2] = {sixteen_rows(sums->low_both, sums->low_odd),
                      sixteen_rows(sums->high_both, sums->high_odd)};
  uint32_t passing;
  if (codes->scales || codes->offsets) {
    passing = cheap_rows(codes, query, __builtin_convertvector(rows[0], floats16), first) |
              cheap_rows(codes, query, __builtin_convertvector(rows[1], floats16), first + 16)
                  << 16;
  } else {
    shorts16 most = (shorts16){0} + (uint16_t)query->most_sum;
    flags16 flags[2] = {__builtin_convertvector(rows[0] <= most, flags16),
                        __builtin_convertvector(rows[1] <= most, flags16)};
    memcpy(&passing, flags, sizeof passing);
  }
  append_rows(codes, query, passing, rows, sizeof(uint16_t), first, 1, place_end);
}

#undef SUBSPACES
#endif

#ifdef HAS_SCAN

// For n queries, a constant once inlined.
INLINE size_t scan_for(const csimd_codes *codes, size_t begin, size_t end, size_t place_end,
                       csimd_code_query *const *queries, const size_t n) {
  size_t stride = codes->blocks * CSIMD_CODE_BLOCK;
  const uint8_t *tables[CSIMD_SCAN_QUERIES];
  for (size_t q = 0; q < n; q++) tables[q] = queries[q]->entries;
  for (size_t g = begin; g < end; g++) {
    for (size_t q = 0; q < n; q++)
      if (queries[q]->capacity - queries[q]->count < CSIMD_PANEL) return g;
    group_sums sums[CSIMD_SCAN_QUERIES] = {0};
    scan_group(codes->groups + g * stride, stride, tables, n, sums);
#pragma clang loop unroll(full)
    for (size_t q = 0; q < n; q++)
      append_group(codes, sums + q, g * CSIMD_PANEL, place_end, queries[q]);
  }
  return end;
}

static size_t scan_codes(const csimd_codes *codes, size_t begin, size_t end, size_t place_end,
                         csimd_code_query *const *queries, size_t query_count) {
  switch (query_count) {
    case 1: return scan_for(codes, begin, end, place_end, queries, 1);
    case 2: return scan_for(codes, begin, end, place_end, queries, 2);
    case 3: return scan_for(codes, begin, end, place_end, queries, 3);
    default: return scan_for(codes, begin, end, place_end, queries, 4);
  }
}
#endif

#ifdef LOOKUP_BYTES

// Registers of a block, and groups that share what is loaded of a table.
enum { BLOCK_REGISTERS = CSIMD_CODE_BLOCK / sizeof(bytes), WIDE_GROUPS = 4 / BLOCK_REGISTERS };
typedef _Bool lane_flags __attribute__((ext_vector_type(WIDTH * 2)));

// n groups, a constant once inlined.
INLINE void scan_wide(const csimd_codes *codes, size_t group, const size_t n, size_t place_end,
                      csimd_code_query *query) {
  // Bytes of rows 2 j and 2 j + 1 are side by side: `both` adds them as one number of 16 bits.
  shorts both[WIDE_GROUPS * BLOCK_REGISTERS] = {0}, odd[WIDE_GROUPS * BLOCK_REGISTERS] = {0};
  size_t stride = codes->blocks * CSIMD_CODE_BLOCK;
  const uint8_t *start = codes->groups + group * stride;
  for (size_t m = 0; m < codes->subspaces; m++) {
    bytes entries[256 / sizeof(bytes)];
    memcpy(entries, query->entries + m * 256, sizeof entries);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < n * BLOCK_REGISTERS; r++) {
      bytes numbers;
      memcpy(&numbers,
             start + r / BLOCK_REGISTERS * stride + m * CSIMD_CODE_BLOCK +
                 r % BLOCK_REGISTERS * sizeof(bytes),
             sizeof numbers);
      shorts found = (shorts)LOOKUP_BYTES(entries, numbers);
      both[r] += found;
      odd[r] += found >> 8;
    }
  }
  int has_factors = codes->scales || codes->offsets;
  shorts most = (shorts){0} + (uint16_t)query->most_sum;
  for (size_t r = 0; r < n * BLOCK_REGISTERS; r++) {
    shorts sums[2] = {both[r] - (odd[r] << 8), odd[r]};
    size_t first = group * 64 + r * sizeof(bytes);
    if (has_factors) {
      uint16_t rising[sizeof(bytes)];
      for (size_t j = 0; j < sizeof(bytes) / 2; j++) {
        rising[2 * j] = sums[0][j];
        rising[2 * j + 1] = sums[1][j];
      }
      for (size_t at = 0; at < sizeof(bytes); at += 16) {
        shorts16 some;
        memcpy(&some, rising + at, sizeof some);
        uint32_t cheap =
            cheap_rows(codes, query, __builtin_convertvector(some, floats16), first + at);
        append_rows(codes, query, cheap, rising + at, sizeof(uint16_t), first + at, 1, place_end);
      }
      continue;
    }
    for (size_t half = 0; half < 2; half++) {
      lane_flags flags = __builtin_convertvector(sums[half] <= most, lane_flags);
      uint32_t passing = 0;
      memcpy(&passing, &flags, sizeof flags);
      if (passing != 0)
        append_rows(codes, query, passing, sums + half, sizeof(uint16_t), first + half, 2,
                    place_end);
    }
  }
}

static size_t scan_byte_codes(const csimd_codes *codes, size_t begin, size_t end, size_t place_end,
                              csimd_code_query *query) {
  size_t g = begin;
  for (; g + WIDE_GROUPS <= end && query->capacity - query->count >= 64 * WIDE_GROUPS;
       g += WIDE_GROUPS)
    scan_wide(codes, g, WIDE_GROUPS, place_end, query);
  for (; g < end && query->capacity - query->count >= 64; g++)
    scan_wide(codes, g, 1, place_end, query);
  return g;
}
#endif
