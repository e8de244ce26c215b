#define STUB(name, f) INLINE floats name(floats x) { for (int i = 0; i < WIDTH; i++) x[i] = f(x[i]); return x; }
typedef uint32_t uints __attribute__((vector_size(WIDTH * 4)));
static inline float stub_sigmoid(float x) { return 1 / (1 + expf(-x)); }
static inline float stub_softplus(float x) { return log1pf(expf(x)); }
static inline float stub_rsqrt(float x) { return 1 / sqrtf(x); }
STUB(tessera_exp, expf)
STUB(tessera_log, logf)
STUB(tessera_sin, sinf)
STUB(tessera_cos, cosf)
STUB(tessera_tanh, tanhf)
STUB(tessera_erf, erff)
STUB(tessera_sigmoid, stub_sigmoid)
STUB(tessera_softplus, stub_softplus)
STUB(tessera_rsqrt, stub_rsqrt)
