// Gradient checkpointing: what a function computes on its way is computed again when gradients come
// back, instead of being kept.    Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost
#pragma once

#include <functional>

#include <torch/types.h>

namespace isthmus::nn {
using torch::Tensor;

// body(x), of which autograd keeps x alone; while it runs, all of its values are there at once. Gradients go to x and to the parameters that body uses,
// the same bits as without; to no other tensor that it captures. Random numbers are drawn again as
// they were. `body` is called a second time during backward(), so what it captures must live until
// then.
Tensor recomputed(std::function<Tensor(const Tensor&)> body, const Tensor& x);

}  // namespace isthmus::nn
