// Every elementary function over all 2^32 Float32 numbers: the bits of every CPU variant of this
// machine are compared with those of the best one, those with a Float64 reference, and the largest
// error in ulp, with where it is, is printed. Quotients are compared with the processor's.
// `make check-elementary` runs it.
//
// Usage: check-elementary [--every N] [--others N] [FUNCTION ...]
//   --every N    only every N-th number, N odd, so that all exponents and ends of mantissas are met (1)
//   --others N   the variants besides the best one only on every N-th block of 4,096 numbers (1): without
//                an instruction for the fused multiply-add the portable one takes most of the time

#include "CSIMD.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void software_function(int32_t function, const float *x, const float *y, size_t count,
                       float *target);

enum { BLOCK = 4096, MOST_VARIANTS = 8, MOST_THREADS = 64 };
static const uint32_t NAN_BITS = 0x7FC00000;

static double sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double reciprocal_root(double x) { return 1 / sqrt(x); }

// The largest error that is allowed, in ulp; 0.5 demands the correctly rounded result.
static const struct {
  const char *name;
  double (*reference)(double);
  float (*library)(float);
  double limit;
} functions[] = {
    [CSIMD_EXP] = {"exp", exp, expf, 1},
    [CSIMD_LOG] = {"log", log, logf, 1},
    [CSIMD_SIN] = {"sin", sin, sinf, 1},
    [CSIMD_COS] = {"cos", cos, cosf, 1},
    [CSIMD_TANH] = {"tanh", tanh, tanhf, 1},
    [CSIMD_ERF] = {"erf", erf, erff, 1},
    [CSIMD_SIGMOID] = {"sigmoid", sigmoid, NULL, 1},
    [CSIMD_SOFTPLUS] = {"softplus", softplus, NULL, 1},
    [CSIMD_SQUARE_ROOT] = {"sqrt", sqrt, sqrtf, 0.5},
    [CSIMD_RECIPROCAL_ROOT] = {"rsqrt", reciprocal_root, NULL, 1},
    [CSIMD_DIVIDE] = {"divide", NULL, NULL, 0.5},
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

// Returns the error in units of the last place that Float32 has at the true value; infinity for a
// wrong NaN, infinity or sign of zero.
static double error_of(float result, double truth) {
  if (truth != truth) return bits_of(result) == NAN_BITS ? 0 : INFINITY;
  if (result != result || !!signbit(result) != !!signbit(truth)) return INFINITY;
  if (truth == 0) return result == 0 ? 0 : INFINITY;
  // What is beyond the largest number counts as infinity, and that as 2^128.
  double beyond = 0x1p128, got = fabs((double)result), size = fabs(truth);
  if (isinf(truth)) return isinf(result) ? 0 : INFINITY;
  if (size >= beyond) size = beyond;
  if (got >= beyond) got = beyond;
  // 2^(23 - exponent), made of bits.
  uint64_t bits, unit;
  memcpy(&bits, &size, 8);
  int exponent = (int)(bits >> 52) - 1023;
  exponent = exponent < -126 ? -126 : exponent > 127 ? 127 : exponent;
  unit = (uint64_t)(1023 + 23 - exponent) << 52;
  double scale;
  memcpy(&scale, &unit, 8);
  return fabs(got - size) * scale;
}

static const csimd_kernels *variants[MOST_VARIANTS];
static int variant_count;
// False where software.c has instructions that this processor lacks.
static int has_software;

typedef struct {
  int32_t function;
  uint64_t begin, end;
  uint32_t every, others;
  double worst, worst_subnormal;
  uint32_t worst_at;
  uint64_t differing[MOST_VARIANTS + 1];
  uint32_t differs_at[MOST_VARIANTS + 1];
} share;

static void compare(share *own, int which, const float *x, const float *result,
                    const float *expected, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (bits_of(result[i]) != bits_of(expected[i]) && own->differing[which]++ == 0)
      own->differs_at[which] = bits_of(x[i]);
}

static void *check(void *argument) {
  share *own = argument;
  static const float ones[BLOCK] = {0};
  const csimd_kernels *best = variants[variant_count - 1];
  for (uint64_t first = own->begin; first < own->end; first += BLOCK) {
    float x[BLOCK], expected[BLOCK], result[BLOCK];
    size_t count = own->end - first < BLOCK ? (size_t)(own->end - first) : BLOCK;
    for (size_t i = 0; i < count; i++) x[i] = from_bits((uint32_t)(first + i) * own->every);
    best->apply_function(own->function, x, ones, count, expected);
    for (int v = 0; v + 1 < variant_count && first / BLOCK % own->others == 0; v++) {
      // Shorter ends, so that these have the same bits too.
      size_t half = count / 2 - (first / BLOCK) % 17;
      variants[v]->apply_function(own->function, x, ones, half, result);
      variants[v]->apply_function(own->function, x + half, ones, count - half, result + half);
      compare(own, v, x, result, expected, count);
    }
    if (has_software) {
      software_function(own->function, x, ones, count, result);
      compare(own, variant_count, x, result, expected, count);
    }
    for (size_t i = 0; i < count; i++) {
      double truth = functions[own->function].reference((double)x[i]);
      double error = error_of(expected[i], truth);
      int subnormal = fabs(truth) < 0x1p-126;
      double *worst = subnormal ? &own->worst_subnormal : &own->worst;
      if (error <= *worst) continue;
      *worst = error;
      if (!subnormal) own->worst_at = bits_of(x[i]);
    }
  }
  return NULL;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Nanoseconds a number over 4,096 numbers in -8...8, or 0...16 for roots and logarithms.
static double speed(const csimd_kernels *table, int32_t function, float (*library)(float)) {
  static float x[BLOCK], y[BLOCK], result[BLOCK];
  int positive = function == CSIMD_LOG || function >= CSIMD_SQUARE_ROOT;
  for (int i = 0; i < BLOCK; i++)
    x[i] = (float)((i * 2654435761u) >> 8) * 0x1p-20f - (positive ? 0 : 8), y[i] = x[BLOCK - 1 - i];
  double best = INFINITY;
  for (int round = 0; round < 40; round++) {
    double start = now();
    if (library) {
      for (int i = 0; i < BLOCK; i++) result[i] = library(x[i]);
    } else {
      table->apply_function(function, x, y, BLOCK, result);
    }
    double seconds = now() - start;
    if (seconds < best) best = seconds;
  }
  volatile float kept = result[1];
  (void)kept;
  return best / BLOCK * 1e9;
}

static int check_function(int32_t function, uint32_t every, uint32_t others) {
  share shares[MOST_THREADS] = {0};
  pthread_t threads[MOST_THREADS];
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  int count = processors < 1 ? 1 : processors > MOST_THREADS ? MOST_THREADS : (int)processors;
  uint64_t all = (1ull << 32) / every;
  for (int t = 0; t < count; t++) {
    shares[t] = (share){.function = function, .every = every, .others = others,
                        .begin = all * (uint64_t)t / (uint64_t)count,
                        .end = all * (uint64_t)(t + 1) / (uint64_t)count};
    pthread_create(&threads[t], NULL, check, &shares[t]);
  }
  share total = {0};
  for (int t = 0; t < count; t++) {
    pthread_join(threads[t], NULL);
    if (shares[t].worst > total.worst)
      total.worst = shares[t].worst, total.worst_at = shares[t].worst_at;
    if (shares[t].worst_subnormal > total.worst_subnormal)
      total.worst_subnormal = shares[t].worst_subnormal;
    for (int v = 0; v <= variant_count; v++) {
      if (shares[t].differing[v] && !total.differing[v])
        total.differs_at[v] = shares[t].differs_at[v];
      total.differing[v] += shares[t].differing[v];
    }
  }
  double limit = functions[function].limit;
  int failed = total.worst > limit || total.worst_subnormal > limit;
  printf("%-9s %.5f ulp at 0x%08X (%.9g), subnormal results %.5f%s", functions[function].name,
         total.worst, total.worst_at, (double)from_bits(total.worst_at), total.worst_subnormal,
         failed ? " TOO MUCH" : "");
  for (int v = 0; v <= variant_count; v++) {
    if (total.differing[v] == 0) continue;
    const char *name = v < variant_count ? variants[v]->name : "software";
    printf("; %s DIFFERS for %llu, first 0x%08X", name, (unsigned long long)total.differing[v],
           total.differs_at[v]);
    failed = 1;
  }
  printf("\n");
  return failed;
}

static uint64_t state = 1;
static uint32_t random_bits(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

// Pairs of all kinds: any bits, near exponents, quotients that are subnormal or overflow, mantissas at
// their ends, and special numbers.
static int check_quotients(uint32_t every) {
  static const uint32_t special[] = {0, 1, 2, 0x7FFFFF, 0x800000, 0x800001, 0x3F800000, 0x3F800001,
                                     0x3F7FFFFF, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000,
                                     0x7FFFFFFF, 0x40490FDB, 0x00400000};
  enum { SPECIAL = sizeof special / 4 };
  uint64_t pairs = (1ull << 32) / every, differing = 0;
  float x[BLOCK], y[BLOCK], expected[BLOCK], result[BLOCK];
  for (uint64_t first = 0; first < pairs; first += BLOCK) {
    for (size_t i = 0; i < BLOCK; i++) {
      uint32_t a = random_bits(), b = random_bits();
      switch (first / BLOCK % 8) {
      case 0: a = special[a % SPECIAL] | (a & 1u << 31), b = special[b % SPECIAL] | (b & 1u << 31);
        break;
      case 1: a = special[a % SPECIAL] | (a & 1u << 31); break;
      case 2: b = special[b % SPECIAL] | (b & 1u << 31); break;
      // Exponents whose difference makes subnormal quotients.
      case 3: case 4: a = (a & 0x81FFFFFF), b = (b & 0x80FFFFFF) | (0x3E000000 + (a << 20 & 0x1FFFFFF));
        break;
      case 5: a = (a & 0x807FFFFF) | 0x3F800000, b = (b & 0x807FFFFF) | 0x3F800000; break;
      // Few digits: quotients near the middle of two numbers.
      case 6: a &= 0xFFFFF000, b |= 0x7FF000; break;
      }
      x[i] = from_bits(a), y[i] = from_bits(b);
    }
    for (size_t i = 0; i < BLOCK; i++) {
      float quotient = x[i] / y[i];
      expected[i] = quotient != quotient ? from_bits(NAN_BITS) : quotient;
    }
    for (int v = 0; v < variant_count + has_software; v++) {
      if (v < variant_count) {
        variants[v]->apply_function(CSIMD_DIVIDE, x, y, BLOCK, result);
      } else {
        software_function(CSIMD_DIVIDE, x, y, BLOCK, result);
      }
      for (size_t i = 0; i < BLOCK; i++)
        if (bits_of(result[i]) != bits_of(expected[i]) && differing++ < 5)
          printf("divide: 0x%08X / 0x%08X is 0x%08X, not 0x%08X\n", bits_of(x[i]), bits_of(y[i]),
                 bits_of(result[i]), bits_of(expected[i]));
    }
  }
  printf("divide    %llu pairs, %llu differ from the processor's quotient\n",
         (unsigned long long)pairs, (unsigned long long)differing);
  return differing > 0;
}

int main(int argument_count, char **arguments) {
  uint32_t every = 1, others = 1;
  int first = 1, failed = 0;
  for (; first + 1 < argument_count && strncmp(arguments[first], "--", 2) == 0; first += 2) {
    uint32_t number = (uint32_t)strtoul(arguments[first + 1], NULL, 10);
    if (strcmp(arguments[first], "--every") == 0 && number % 2 == 1) {
      every = number;
    } else if (strcmp(arguments[first], "--others") == 0 && number > 0) {
      others = number;
    } else {
      fprintf(stderr, "check-elementary: %s %s is no option\n", arguments[first],
              arguments[first + 1]);
      return 64;
    }
  }
  while (variant_count < MOST_VARIANTS && csimd_variant((size_t)variant_count)) {
    variants[variant_count] = csimd_variant((size_t)variant_count);
    variant_count++;
  }
#if defined(__x86_64__)
  has_software = variant_count > 1;
#else
  has_software = 1;
#endif
  printf("variants:");
  for (int v = 0; v < variant_count; v++) printf(" %s", variants[v]->name);
  printf("; 1 of %u of all 2^32 numbers; variants besides the best: 1 of %u blocks\n", every, others);
  for (int32_t f = 0; f < FUNCTIONS; f++) {
    int wanted = first == argument_count;
    for (int i = first; i < argument_count; i++)
      wanted |= strcmp(arguments[i], functions[f].name) == 0;
    if (!wanted) continue;
    failed |= f == CSIMD_DIVIDE ? check_quotients(every) : check_function(f, every, others);
    printf("         ns a number:");
    for (int v = 0; v < variant_count; v++)
      printf(" %s %.2f", variants[v]->name, speed(variants[v], f, NULL));
    if (functions[f].library) printf(", libm %.2f", speed(NULL, f, functions[f].library));
    printf("\n");
    fflush(stdout);
  }
  return failed;
}
