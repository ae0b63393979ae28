// Activations over `count` contiguous floats; y may be an input. Absolute error at most 2e-7 ·
// max(1, |x|).
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// gelu: x · Φ(x), by erf. gelu_tanh: Hendrycks & Gimpel 2016, §2. quick_gelu: x · σ(1.702 x), CLIP.
struct ActivationArgs {
  const float* x;
  float* y;
  int64_t count;
};

// y = gate · σ(gate) · up                                              Shazeer 2020, SwiGLU
struct SiluMulArgs {
  const float* gate;
  const float* up;
  float* y;
  int64_t count;
};

// dx = dy · f'(x) of the same three; dx may be an input.
struct ActivationGradientArgs {
  const float* x;
  const float* dy;
  float* dx;
  int64_t count;
};

// dgate = dy · up · σ(gate) (1 + gate (1 - σ(gate))), dup = dy · gate · σ(gate); no output may be an
// input.
struct SiluMulGradientArgs {
  const float* gate;
  const float* up;
  const float* dy;
  float* dgate;
  float* dup;
  int64_t count;
};

}  // namespace isthmus::kernels
