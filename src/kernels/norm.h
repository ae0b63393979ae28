// Normalisation of rows. Contiguous; y may be x. Sums in float32 with several partial sums per row.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// y[r,i] = x[r,i] · weight[i] / sqrt(mean_i(x[r,i]²) + eps)       Zhang & Sennrich 2019, §3; eps as
// in LLaMA
struct RmsNormArgs {
  const float* x;
  const float* weight;
  float* y;
  int64_t rows, dim;
  float eps;
};

// y[r,i] = (x[r,i] - mean_r) · weight[i] / sqrt(var_r + eps) + bias[i], var biased, in two passes.
// bias may be null.      Ba et al. 2016
struct LayerNormArgs {
  const float* x;
  const float* weight;
  const float* bias;
  float* y;
  int64_t rows, dim;
  float eps;
};

// With s = 1 / sqrt(mean(x²) + eps) of a row: dx = s · weight · dy - x · s³ · mean(weight · dy · x),
// and dweight += Σ_r dy · x · s unless it is null. dx may be dy.
struct RmsNormGradientArgs {
  const float* x;
  const float* weight;
  const float* dy;
  float* dx;
  float* dweight;
  int64_t rows, dim;
  float eps;
};

// With x̂ = (x - mean) · s of a row and g = weight · dy: dx = s · (g - mean(g) - x̂ · mean(g · x̂)),
// dweight += Σ_r dy · x̂ and dbias += Σ_r dy unless they are null. dx may be dy.
struct LayerNormGradientArgs {
  const float* x;
  const float* weight;
  const float* dy;
  float* dx;
  float* dweight;
  float* dbias;
  int64_t rows, dim;
  float eps;
};

}  // namespace isthmus::kernels
