// Shows by doing what the device can do: local memory, barriers, integer atomics, long
// loops, Float64, Float32 as IEEE 754 has it.
//
// probe          result[0] += words of local memory that do not hold what another work item wrote
//                result[1] += 1 for each work item
// probe_loops    result[0] = start, sent `outer` times 64 steps through a generator: a loop in a loop
// probe_float32  values[4]... = results that tell whether subnormal numbers are kept, as arguments and as
//                results, and whether what is to be fused is, and nothing else
// probe_float64  values[1] = fma(values[0], values[0], values[1]), which must round once

__kernel void probe(__global uint *restrict result, ulong result_offset, __local uint *scratch,
                    uint words) {
  result += result_offset;
  uint item = get_local_id(0);
  uint items = get_local_size(0);
  for (uint word = item; word < words; word += items) scratch[word] = word * 2654435761u;
  barrier(CLK_LOCAL_MEM_FENCE);
  uint wrong = 0;
  for (uint word = item; word < words; word += items) {
    uint other = words - 1 - word;
    wrong += scratch[other] != other * 2654435761u;
  }
  atomic_add(result, wrong);
  atomic_inc(result + 1);
}

__kernel void probe_loops(__global uint *restrict result, ulong result_offset, uint start,
                          uint outer) {
  uint state = start;
  for (uint i = 0; i < outer; i++) {
#pragma unroll 1
    for (uint step = 0; step < 64; step++) state = (state ^ state >> 7) * 1664525u + 1013904223u;
  }
  result[result_offset] = state;
}

#pragma OPENCL FP_CONTRACT OFF
__kernel void probe_float32(__global float *restrict values, ulong values_offset) {
  values += values_offset;
  float a = values[0], b = values[1], normal = values[2], least = values[3];
  values[4] = fma(a, a, b);
  values[5] = a * a + b;
  values[6] = normal * 0.5f;
  values[7] = normal - least;
  values[8] = least + least;
  values[9] = least * 0x1p24f;
  values[10] = fma(least, 3.0f, least);
  values[11] = fma(normal, 0.25f, -least);
  values[12] = least > 0.0f ? least : 1.0f;
}

#ifdef HAS_FLOAT64
__kernel void probe_float64(__global double *restrict values, ulong values_offset) {
  values += values_offset;
  values[1] = fma(values[0], values[0], values[1]);
}
#endif
