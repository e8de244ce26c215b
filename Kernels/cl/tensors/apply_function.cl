// One elementary function over an array, for the tests of elementary.cl, which goes before:
//
//   target[i] = function(x[i]), or x[i] / y[i] for the function 10
//
// Work items: each takes LANES numbers; there is room for the last one's.

#if LANES == 1
#define LOAD(p) *(p)
#define STORE(value, p) *(p) = (value)
#else
#define LOAD(p) TESSERA_JOIN(vload, LANES)(0, p)
#define STORE(value, p) TESSERA_JOIN(vstore, LANES)(value, 0, p)
#endif

__kernel void apply_function(uint function, __global const float *restrict x, ulong x_offset,
                             __global const float *restrict y, ulong y_offset, uint items,
                             __global float *restrict target, ulong target_offset) {
  size_t item = get_global_id(0);
  if (item >= items) return;
  tessera_float a = LOAD(x + x_offset + item * LANES);
  tessera_float b = LOAD(y + y_offset + item * LANES);
  tessera_float result;
  switch (function) {
  case 0: result = tessera_exp(a); break;
  case 1: result = tessera_log(a); break;
  case 2: result = tessera_sin(a); break;
  case 3: result = tessera_cos(a); break;
  case 4: result = tessera_tanh(a); break;
  case 5: result = tessera_erf(a); break;
  case 6: result = tessera_sigmoid(a); break;
  case 7: result = tessera_softplus(a); break;
  case 8: result = tessera_sqrt(a); break;
  case 9: result = tessera_rsqrt(a); break;
  default: result = tessera_divide(a, b); break;
  }
  STORE(result, target + target_offset + item * LANES);
}
