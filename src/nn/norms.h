// Normalisation layers. Weights are float32 whatever the file stores; they are small and read every
// token.
#pragma once

#include <vector>

#include <torch/nn/pimpl.h>

#include "layout/norm_parameters.h"
#include "nn/slots.h"

namespace isthmus::nn {

// x / sqrt(mean(x²) + eps) ⊙ weight: Zhang & Sennrich 2019.
class RmsNormImpl : public SlotModule {
 public:
  RmsNormImpl(int64_t dim, double eps);
  Tensor forward(const Tensor& x);  // [..., dim] -> same
  std::vector<Slot> slots() override;

 private:
  int64_t dim_;
  double eps_;
  Tensor weight_;
};
TORCH_MODULE(RmsNorm);

// (x - mean) / sqrt(var + eps) ⊙ weight + bias: Ba et al. 2016.
class LayerNormImpl : public SlotModule {
 public:
  LayerNormImpl(int64_t dim, double eps,
                layout::NormParameters learned = layout::NormParameters::kWeightAndBias);
  Tensor forward(const Tensor& x);  // [..., dim] -> same
  std::vector<Slot> slots() override;

 private:
  int64_t dim_;
  double eps_;
  layout::NormParameters learned_;
  Tensor weight_, bias_;
};
TORCH_MODULE(LayerNorm);

}  // namespace isthmus::nn
