// y = x Wᵀ + b, with W either trainable or frozen in any storage.
#pragma once

#include <memory>
#include <vector>

#include <torch/nn/pimpl.h>

#include "nn/slots.h"
#include "nn/weight_matrix.h"

namespace isthmus::nn {

// x [..., cols] -> x Wᵀ + bias (which may be undefined), recording gradients to x and bias when
// they are wanted.
Tensor frozen_linear(const Tensor& x, const Tensor& bias,
                     const std::shared_ptr<const WeightMatrix>& matrix);

// Made without weights: they are assigned through the slots "weight" and "bias", frozen. Answering
// through it is safe from any thread; assigning is not.
class LinearImpl : public SlotModule {
 public:
  LinearImpl(int64_t in_features, int64_t out_features, bool bias = true);

  Tensor forward(const Tensor& x);  // [..., in_features] -> [..., out_features]

  int64_t in_features() const { return in_features_; }
  int64_t out_features() const { return out_features_; }
  bool has_bias() const { return has_bias_; }
  const std::shared_ptr<const WeightMatrix>& matrix() const {
    return matrix_;
  }  // null when trainable

  void set_matrix(std::shared_ptr<const WeightMatrix> matrix);
  void set_bias(const Tensor& bias);
  // Turns the weights into float32 parameters "weight" and "bias" that ask for gradients.
  void make_trainable();

  // Adds the unmerged branch scale · (x Aᵀ) Bᵀ with A [r, in_features] and B [out_features, r], as
  // children lora_A and lora_B (PEFT's names). Hu et al. 2021, eq. 3.
  void set_lora(std::shared_ptr<const WeightMatrix> a, std::shared_ptr<const WeightMatrix> b,
                double scale);
  // Of the branch's input, where gradients are recorded.
  void set_lora_dropout(double probability) { lora_dropout_ = probability; }
  bool has_lora() const { return lora_a_ != nullptr; }
  const std::shared_ptr<LinearImpl>& lora_a() const { return lora_a_; }  // null without a branch
  const std::shared_ptr<LinearImpl>& lora_b() const { return lora_b_; }
  double lora_scale() const { return lora_scale_; }

  std::vector<Slot> slots() override;

 protected:
  Slot weight_slot(Shape published_shape);

 private:
  int64_t in_features_, out_features_;
  bool has_bias_;
  std::shared_ptr<const WeightMatrix> matrix_;  // frozen …
  Tensor weight_;                               // … or trainable
  Tensor bias_;
  std::shared_ptr<LinearImpl> lora_a_, lora_b_;
  double lora_scale_ = 0, lora_dropout_ = 0;
};
TORCH_MODULE(Linear);

}  // namespace isthmus::nn
