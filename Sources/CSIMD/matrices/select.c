// Selection: the k best of many, without sorting them all.

#include "../order_key.h"

uint32_t csimd_order_key(float score, int largest_first) { return order_key(score, largest_first); }

// Splits distinct keys in two parts, neither empty, the first below the second, and returns where
// the second begins. The pivot comes from a cheap generator: any pivot gives the right answer,
// random ones keep every input order linear.
static size_t partition(uint64_t *keys, size_t count, uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  uint64_t pivot = keys[(*state >> 33) % count];
  size_t i = 0, j = count - 1;
  for (;;) {
    while (keys[i] < pivot) i++;
    while (pivot < keys[j]) j--;
    if (i >= j) break;
    uint64_t swapped = keys[i];
    keys[i++] = keys[j];
    keys[j--] = swapped;
  }
  // keys[i] is the pivot or beyond it; the pivot itself goes left unless it is the smallest.
  if (i == 0) return 1;
  return i;
}

// Quickselect (Hoare, 1961): afterwards keys[k - 1] has its sorted place, smaller ones before it.
void csimd_partition_keys(uint64_t *keys, size_t count, size_t k) {
  uint64_t state = count;
  size_t low = 0, high = count;
  while (high - low > 1) {
    size_t middle = low + partition(keys + low, high - low, &state);
    if (k <= middle) high = middle;
    else low = middle;
  }
}

static void sort_keys(uint64_t *keys, size_t count) {
  uint64_t state = count;
  while (count > 24) {
    size_t middle = partition(keys, count, &state);
    // The shorter side by recursion, the longer by the loop: the stack stays logarithmic.
    if (middle < count - middle) {
      sort_keys(keys, middle);
      keys += middle;
      count -= middle;
    } else {
      sort_keys(keys + middle, count - middle);
      count = middle;
    }
  }
  for (size_t i = 1; i < count; i++) {
    uint64_t key = keys[i];
    size_t j = i;
    for (; j > 0 && keys[j - 1] > key; j--) keys[j] = keys[j - 1];
    keys[j] = key;
  }
}

void csimd_select_keys(uint64_t *keys, size_t count, size_t k) {
  if (k < count) csimd_partition_keys(keys, count, k);
  sort_keys(keys, k < count ? k : count);
}

size_t csimd_select_scratch(size_t count, size_t k) {
  // Sixteen more than are ever kept, and room to make it worth while to drop some.
  size_t room = 2 * k + 64;
  return (room < count ? room : count) + 16;
}

// Stores the places of those of `count` scores that may be as good as `worst`, as NaN may, and returns
// how many they are.
static size_t find_kept(const float *scores, size_t count, float worst, int largest_first,
                        uint8_t *places) {
  size_t found = 0;
  for (size_t j = 0; j < count; j++) {
    // Always stored: a branch would be guessed wrong often.
    places[found] = (uint8_t)j;
    found += largest_first ? !(scores[j] < worst) : !(scores[j] > worst);
  }
  return found;
}

// Tells whether one of sixteen scores may be as good as `worst`: NaN may.
static int may_be_kept(const float *scores, float worst, int largest_first) {
  int found = 0;
  if (largest_first)
    for (size_t j = 0; j < 16; j++) found |= !(scores[j] < worst);
  else
    for (size_t j = 0; j < 16; j++) found |= !(scores[j] > worst);
  return found;
}

typedef float float4 __attribute__((vector_size(16)));
typedef int32_t int4 __attribute__((vector_size(16)));
typedef float float4_anywhere __attribute__((vector_size(16), aligned(4)));

static float4 load4(const float *source) { return *(const float4_anywhere *)source; }

static float4 choose(int4 first, float4 a, float4 b) {
  return (float4)((first & (int4)a) | (~first & (int4)b));
}

static size_t count_at_least(const float *scores, size_t count, float4 sign, float least) {
  int4 found = {0};
  for (size_t i = 0; i < count; i += 4) found -= load4(scores + i) * sign >= least;
  return (size_t)__builtin_reduce_add(found);
}

// Finds, by bisection, a score that k or a few more of `count` scores, a multiple of four, are as good
// as. Returns NaN where it finds none: fewer are numbers, or some are infinite.
static float find_cut(const float *scores, size_t count, size_t k, int largest_first) {
  float4 sign = (largest_first ? 1.0f : -1.0f) - (float4){0};
  float4 lowest = INFINITY - (float4){0}, highest = -lowest;
  for (size_t i = 0; i < count; i += 4) {
    float4 values = load4(scores + i) * sign;
    lowest = choose(values < lowest, values, lowest);
    highest = choose(values > highest, values, highest);
  }
  float low = INFINITY, high = -INFINITY;
  for (size_t j = 0; j < 4; j++) {
    low = fminf(low, lowest[j]);
    high = fmaxf(high, highest[j]);
  }
  if (!(low > -INFINITY && high < INFINITY)) return NAN;
  size_t reached = count_at_least(scores, count, sign, low);
  if (reached < k) return NAN;
  for (int step = 0; step < 20 && reached > k + k / 4; step++) {
    float middle = low / 2 + high / 2;
    if (!(middle > low)) break;
    size_t above = count_at_least(scores, count, sign, middle);
    if (above >= k) {
      low = middle;
      reached = above;
    } else {
      high = middle;
    }
  }
  return low * sign[0];
}

// Rows of so many scores stay in the nearest cache while they are counted again and again.
enum { COUNTED = 4096 };

void csimd_select_scores(const float *scores, size_t count, size_t k, int largest_first,
                         int32_t *columns, uint64_t *scratch) {
  size_t room = csimd_select_scratch(count, k);
  size_t kept = 0;
  uint64_t worst = UINT64_MAX;  // keys above it are already beaten by k others
  float worst_score = NAN;
  // Where a good part is wanted, most of the first scores would be kept, only to be dropped later.
  if (count <= COUNTED && k < count && k >= count / 128) {
    worst_score = find_cut(scores, count / 4 * 4, k, largest_first);
    if (!isnan(worst_score))
      worst = (uint64_t)order_key(worst_score, largest_first) << 32 | UINT32_MAX;
  }
  for (size_t first = 0; first < count && k > 0; first += 16) {
    size_t end = count - first < 16 ? count : first + 16;
    if (end - first == 16 && !may_be_kept(scores + first, worst_score, largest_first)) continue;
    if (kept + 16 > room) {
      csimd_partition_keys(scratch, kept, k);
      kept = k;
      worst = scratch[k - 1];
      worst_score = scores[(uint32_t)worst];
    }
    uint8_t places[16];
    size_t found = find_kept(scores + first, end - first, worst_score, largest_first, places);
    for (size_t i = 0; i < found; i++) {
      size_t j = first + places[i];
      uint64_t key = (uint64_t)order_key(scores[j], largest_first) << 32 | (uint32_t)j;
      scratch[kept] = key;
      kept += key < worst;
    }
  }
  csimd_select_keys(scratch, kept, k);
  for (size_t j = 0; j < k; j++) columns[j] = (int32_t)(uint32_t)scratch[j];
}
