#include "nn/norms.h"

#include "nn/ops.h"

namespace isthmus::nn {

using layout::NormParameters;

RmsNormImpl::RmsNormImpl(int64_t dim, double eps) : dim_(dim), eps_(eps) {}

Tensor RmsNormImpl::forward(const Tensor& x) { return ops::rms_norm(x, weight_, eps_); }

std::vector<Slot> RmsNormImpl::slots() { return {tensor_slot("weight", weight_, {dim_})}; }

LayerNormImpl::LayerNormImpl(int64_t dim, double eps, NormParameters learned)
    : dim_(dim), eps_(eps), learned_(learned) {}

Tensor LayerNormImpl::forward(const Tensor& x) { return ops::layer_norm(x, weight_, bias_, eps_); }

std::vector<Slot> LayerNormImpl::slots() {
  std::vector<Slot> slots;
  if (learned_ != NormParameters::kNone) slots.push_back(tensor_slot("weight", weight_, {dim_}));
  if (learned_ == NormParameters::kWeightAndBias)
    slots.push_back(tensor_slot("bias", bias_, {dim_}));
  return slots;
}

}  // namespace isthmus::nn
