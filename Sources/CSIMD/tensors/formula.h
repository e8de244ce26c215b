// Steps of formulas over tiles of numbers, and sums of what they give. Part of kernels.h.
//
// A tile's numbers stay in the nearest cache from step to step, so that each step is one short loop:
// an interpreter with little to interpret.

INLINE floats choose(ints condition, floats yes, floats no) {
  return (floats)((condition & (ints)yes) | (~condition & (ints)no));
}

INLINE floats load_some(const float *source, size_t count) {
  floats values = {0};
  memcpy(&values, source, count * sizeof(float));
  return values;
}

INLINE floats smaller(floats a, floats b) { return choose((a < b) | (a != a), a, b); }
INLINE floats larger(floats a, floats b) { return choose((a > b) | (a != a), a, b); }

INLINE floats magnitude_of(floats x) { return (floats)((ints)x & 0x7FFFFFFF); }

// One number as the other: 1 where the condition holds.
INLINE floats one_where(ints condition) {
  return (floats)(condition & (ints)((floats){0} + 1.0f));
}

#define STEP_LOOP(EXPRESSION)                                     \
  {                                                               \
    size_t i = 0;                                                 \
    for (; i + WIDTH <= count; i += WIDTH) {                      \
      floats x = load_floats(a + i);                              \
      floats y = load_floats(b + i);                              \
      floats z = load_floats(c + i);                              \
      (void)y, (void)z;                                           \
      *(floats_anywhere *)(target + i) = (EXPRESSION);            \
    }                                                             \
    if (i < count) {                                              \
      floats x = load_some(a + i, count - i);                     \
      floats y = load_some(b + i, count - i);                     \
      floats z = load_some(c + i, count - i);                     \
      (void)y, (void)z;                                           \
      floats value = (EXPRESSION);                                \
      memcpy(target + i, &value, (count - i) * sizeof(float));    \
    }                                                             \
    break;                                                        \
  }

static void run_step(int32_t operation, const float *a, const float *b, const float *c,
                     float *target, size_t count) {
  switch (operation) {
  case CSIMD_STEP_INPUT: STEP_LOOP(x)
  case CSIMD_STEP_NEGATE: STEP_LOOP(-x)
  case CSIMD_STEP_MAGNITUDE: STEP_LOOP(magnitude_of(x))
  case CSIMD_STEP_FLOOR: STEP_LOOP(__builtin_elementwise_floor(x))
  case CSIMD_STEP_ADD: STEP_LOOP(x + y)
  case CSIMD_STEP_SUBTRACT: STEP_LOOP(x - y)
  case CSIMD_STEP_MULTIPLY: STEP_LOOP(x * y)
  case CSIMD_STEP_DIVIDE: STEP_LOOP(x / y)
  case CSIMD_STEP_MINIMUM: STEP_LOOP(smaller(x, y))
  case CSIMD_STEP_MAXIMUM: STEP_LOOP(larger(x, y))
  case CSIMD_STEP_IS_LESS: STEP_LOOP(one_where(x < y))
  case CSIMD_STEP_IS_EQUAL: STEP_LOOP(one_where(x == y))
  case CSIMD_STEP_MULTIPLY_ADD: STEP_LOOP(__builtin_elementwise_fma(x, y, z))
  case CSIMD_STEP_SELECT: STEP_LOOP(choose(x != 0, y, z))
  // Elementary functions, which have the same order in both lists.
  default: apply_function(operation - CSIMD_STEP_EXP, a, b, count, target);
  }
}

static void run_formula(const csimd_step *steps, size_t step_count, float *const *slots,
                        size_t count) {
  for (size_t i = 0; i < step_count; i++) {
    const csimd_step *step = &steps[i];
    run_step(step->operation, slots[step->a], slots[step->b], slots[step->c],
             slots[step->target], count);
  }
}

// Numbers combined in the order that Reduction says: sixteen lanes, in as many registers as that is.
#define LANE_REGISTERS (16 / WIDTH)

INLINE floats combined(int32_t reduction, floats a, floats b) {
  return reduction == CSIMD_SUM ? a + b : reduction == CSIMD_LARGEST ? larger(a, b) : smaller(a, b);
}

INLINE float combined_one(int32_t reduction, float a, float b) {
  if (reduction == CSIMD_SUM) return a + b;
  return (reduction == CSIMD_LARGEST ? a > b : a < b) || a != a ? a : b;
}

INLINE float combined_lanes(int32_t reduction, float lanes[16]) {
  for (size_t width = 8; width > 0; width /= 2)
    for (size_t i = 0; i < width; i++)
      lanes[i] = combined_one(reduction, lanes[i], lanes[i + width]);
  return lanes[0];
}

INLINE float combined_run(int32_t reduction, float start, const float *x, size_t count) {
  floats registers[LANE_REGISTERS];
  float lanes[16];
#pragma clang loop unroll(full)
  for (size_t j = 0; j < LANE_REGISTERS; j++) registers[j] = start - (floats){0};
  size_t i = 0;
  for (; i + 16 <= count; i += 16)
#pragma clang loop unroll(full)
    for (size_t j = 0; j < LANE_REGISTERS; j++)
      registers[j] = combined(reduction, registers[j], load_floats(x + i + j * WIDTH));
  memcpy(lanes, registers, sizeof lanes);
  for (size_t l = 0; i + l < count; l++) lanes[l] = combined_one(reduction, lanes[l], x[i + l]);
  return combined_lanes(reduction, lanes);
}

// The runs' results in pairs of neighbours, until one is left.
INLINE float combined_pairs(int32_t reduction, float *results, size_t count) {
  for (; count > 1; count = (count + 1) / 2)
    for (size_t i = 0; i < count; i += 2)
      results[i / 2] =
          i + 1 < count ? combined_one(reduction, results[i], results[i + 1]) : results[i];
  return results[0];
}

INLINE float reduction_start(int32_t reduction) {
  return reduction == CSIMD_SUM ? 0 : reduction == CSIMD_LARGEST ? -INFINITY : INFINITY;
}

INLINE void combine_runs_by(int32_t reduction, const float *x, size_t count, float *results) {
  float start = reduction_start(reduction);
  for (size_t first = 0; first < count; first += 256)
    results[first / 256] =
        combined_run(reduction, start, x + first, count - first < 256 ? count - first : 256);
}

static void combine_runs(int32_t reduction, const float *x, size_t count, float *results) {
  switch (reduction) {
  case CSIMD_SUM: combine_runs_by(CSIMD_SUM, x, count, results); break;
  case CSIMD_LARGEST: combine_runs_by(CSIMD_LARGEST, x, count, results); break;
  default: combine_runs_by(CSIMD_SMALLEST, x, count, results);
  }
}

static float combine_pairs(int32_t reduction, float *results, size_t count) {
  return count ? combined_pairs(reduction, results, count) : reduction_start(reduction);
}

static void combine_lines(int32_t reduction, const float *x, size_t lines, size_t length,
                          float *results) {
  float runs[4];
  for (size_t line = 0; line < lines; line++) {
    combine_runs(reduction, x + line * length, length, runs);
    results[line] = combine_pairs(reduction, runs, (length + 255) / 256);
  }
}

// Rows [0, count) of a tile into lanes: row i into lane (first + i) mod 16, each `width` numbers.
static void combine_rows(int32_t reduction, const float *rows, size_t first, size_t count,
                         size_t width, float *lanes) {
  for (size_t i = 0; i < count; i++) {
    float *lane = lanes + (first + i) % 16 * width;
    const float *row = rows + i * width;
    size_t j = 0;
    for (; j + WIDTH <= width; j += WIDTH)
      *(floats_anywhere *)(lane + j) =
          combined(reduction, load_floats(lane + j), load_floats(row + j));
    for (; j < width; j++) lane[j] = combined_one(reduction, lane[j], row[j]);
  }
}

// Lanes that are `width` numbers wide, into the first of them.
static void combine_wide_lanes(int32_t reduction, float *lanes, size_t width) {
  for (size_t half = 8; half > 0; half /= 2)
    for (size_t j = 0; j < half * width; j++)
      lanes[j] = combined_one(reduction, lanes[j], lanes[half * width + j]);
}

// Rows of a sparse matrix times a dense one. A block of columns stays in registers over a run of
// entries.
#define SPARSE_REGISTERS 4

INLINE void sparse_block(const csimd_sparse *matrix, size_t row, const float *source,
                         size_t source_stride, size_t column, size_t registers, size_t rest,
                         int adding, float *result) {
  size_t end = matrix->starts[row + 1];
  floats total[SPARSE_REGISTERS];
  int has_total = adding;
  if (adding)
    for (size_t j = 0; j < registers; j++)
      total[j] = rest ? load_some(result, rest) : load_floats(result + j * WIDTH);
  for (size_t first = matrix->starts[row]; first < end; first += 256) {
    size_t stop = end - first < 256 ? end : first + 256;
    floats run[SPARSE_REGISTERS];
    for (size_t j = 0; j < registers; j++) run[j] = (floats){0};
    for (size_t entry = first; entry < stop; entry++) {
      const float *line = source + (size_t)matrix->columns[entry] * source_stride + column;
      if (entry + 8 < stop)
        __builtin_prefetch(source + (size_t)matrix->columns[entry + 8] * source_stride + column);
      floats value = matrix->values ? matrix->values[entry] - (floats){0} : (floats){0} + 1.0f;
      for (size_t j = 0; j < registers; j++)
        run[j] = __builtin_elementwise_fma(
            value, rest ? load_some(line, rest) : load_floats(line + j * WIDTH), run[j]);
    }
    for (size_t j = 0; j < registers; j++) total[j] = has_total ? total[j] + run[j] : run[j];
    has_total = 1;
  }
  for (size_t j = 0; j < registers; j++) {
    floats value = has_total ? total[j] : (floats){0};
    if (rest)
      memcpy(result, &value, rest * sizeof(float));
    else
      *(floats_anywhere *)(result + j * WIDTH) = value;
  }
}

static void multiply_sparse(const csimd_sparse *matrix, size_t begin, size_t end,
                            const float *source, size_t source_stride, size_t width, int adding,
                            float *result, size_t result_stride) {
  for (size_t row = begin; row < end; row++) {
    float *line = result + row * result_stride;
    size_t column = 0;
    for (; column + SPARSE_REGISTERS * WIDTH <= width; column += SPARSE_REGISTERS * WIDTH)
      sparse_block(matrix, row, source, source_stride, column, SPARSE_REGISTERS, 0, adding,
                   line + column);
    for (; column + WIDTH <= width; column += WIDTH)
      sparse_block(matrix, row, source, source_stride, column, 1, 0, adding, line + column);
    if (column < width)
      sparse_block(matrix, row, source, source_stride, column, 1, width - column, adding,
                   line + column);
  }
}

// Products whose multiply-adds are rounded once also where there is no instruction for that.
#if defined(__FMA__) || defined(__ARM_NEON) || defined(HAS_FMA)
#define FUSED_STRIPS multiply_strips
#else
#define FUSED_STRIPS multiply_strips_by_library
static void multiply_strips_by_library(const float *left, const float *right, size_t rows,
                                       size_t columns, size_t depth, float alpha, float beta,
                                       float *result, size_t stride) {
  for (size_t i = 0; i < rows; i++) {
    const float *a = left + i / QUERY_BLOCK * QUERY_BLOCK * depth + i % QUERY_BLOCK;
    for (size_t j = 0; j < columns; j++) {
      const float *b = right + j / TILE_COLUMNS * TILE_COLUMNS * depth + j % TILE_COLUMNS;
      float sum = 0;
      for (size_t d = 0; d < depth; d++)
        sum = fmaf(a[d * QUERY_BLOCK], b[d * TILE_COLUMNS], sum);
      float *place = result + i * stride + j;
      *place = beta != 0 ? fmaf(beta, *place, alpha * sum) : alpha * sum;
    }
  }
}
#endif
