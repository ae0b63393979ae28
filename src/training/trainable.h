// Which weights learn: patterns over module names, whole tensors or single rows of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <torch/nn/module.h>

namespace isthmus::training {
using torch::Tensor;

// "aligner.*" or, of a table, some of its rows: "decoder.embed_tokens.weight" and {32000, 32001}.
struct TrainablePattern {
  std::string glob;
  std::vector<int64_t> rows;  // empty: all
};

struct Trainable {
  std::string name;  // module path: "aligner.projector.0.weight"
  Tensor value;      // float32, asks for gradients
  std::vector<int64_t> rows;

  int64_t count() const;  // of numbers that learn
};

// Turns what the patterns name into float32 parameters that ask for gradients; everything else
// stays frozen in its storage. In the order of the module tree. The first pattern that fits a name
// decides on its rows. Throws UsageError naming the patterns that fit nothing, with names near to
// them, and rows that a tensor does not have.
std::vector<Trainable> make_trainable(torch::nn::Module& root,
                                      std::span<const TrainablePattern> patterns);

// Zeroes the gradients of rows that do not learn.     OpenFlamingo, train/train_utils.py
void mask_gradients(std::span<const Trainable> trainables);

// Square root of the sum of squares of all gradients, in double over the tensors' own norms.
double gradient_norm(std::span<const Trainable> trainables);
// Scales all gradients so that their norm is at most `limit`, by limit / (norm + 1e-6) as PyTorch
// does; `norm` is gradient_norm.
void clip_gradients(std::span<const Trainable> trainables, double norm, double limit);

}  // namespace isthmus::training
