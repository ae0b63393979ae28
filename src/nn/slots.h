// Where a module wants its weights: how checkpoints, merging and saving reach into a module tree.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <torch/nn/module.h>

#include "base/shape.h"
#include "nn/weight_matrix.h"

namespace isthmus::nn {

// One named place for a stored tensor. Matrices (set_matrix) keep whatever storage they are given;
// all else (set_tensor) is float32. A slot is valid while its module lives.
struct Slot {
  std::string
      name;  // path below the module that was asked, e.g. "model.layers.0.self_attn.q_proj.weight"
  Shape shape;  // as published; a matrix slot may be published with more dimensions (a convolution)
  std::function<void(std::shared_ptr<const WeightMatrix>)> set_matrix;
  std::function<void(const Tensor&)> set_tensor;
  std::function<std::shared_ptr<const WeightMatrix>()>
      matrix;                     // null: not a frozen matrix, or not assigned
  std::function<Tensor()> value;  // float32 in the published shape; undefined while unassigned

  bool is_matrix() const { return static_cast<bool>(set_matrix); }
};

// A module that owns weights itself (not only through its children).
class SlotModule : public torch::nn::Module {
 public:
  virtual std::vector<Slot> slots() = 0;

 protected:
  // Makes `value` the parameter `name` and the member's value. Gradients stay off until training
  // turns them on.
  void replace_parameter(const std::string& name, Tensor& member, const Tensor& value);
  Slot tensor_slot(const std::string& name, Tensor& member, Shape shape);
};

// The slots of a module and everything below it, in registration order, with full paths.
std::vector<Slot> slots_of(torch::nn::Module& root);
// The module at a path such as "model.layers.0.self_attn.q_proj"; null when there is none.
std::shared_ptr<torch::nn::Module> find_module(torch::nn::Module& root, std::string_view path);

}  // namespace isthmus::nn
