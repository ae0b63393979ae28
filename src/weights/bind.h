// Puts the tensors of checkpoints into a module tree and reports everything that does not fit at
// once.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <torch/nn/module.h>

#include "formats/checkpoint.h"
#include "formats/name_map.h"
#include "nn/matmul.h"
#include "weights/storage_policy.h"

namespace isthmus::weights {

struct WeightSource {
  formats::Checkpoint checkpoint;
  formats::NameMap names;  // file name -> slot name, path included ("decoder.norm.weight")
  // File names that are not part of the model, whatever the map says; empty: none.
  std::function<bool(std::string_view file_name)> ignores = {};
};

struct BindOptions {
  StoragePolicy storage;
  nn::Arithmetic arithmetic = nn::Arithmetic::kFloat32;
  std::string config = "config.json";  // what asks for the shapes, in messages
  // Named sizes of the config, to explain a wrong shape: {"hidden_size", 5120}.
  std::vector<std::pair<std::string, int64_t>> dimensions;
  // Slots that take the first rows of a file's larger matrix (an embedding with more rows than
  // there are tokens).
  std::vector<std::string> first_rows_only;
  // Slots whose missing last rows are drawn from N(0, 0.02²), seed 0, as transformers does for
  // tokens that were added to the vocabulary.
  std::vector<std::string> grown_rows;
  // Glob of slots that hold weights already: what no source offers stays as it is. Empty: none.
  std::string present;
};

// Where one slot's weights came from and how they are held.
struct BoundTensor {
  std::string slot, name, file;  // module path; name and file they were published under
  Shape shape;
  DType stored, held;
  size_t bytes;  // as held
  bool mapped;   // read in place from the file
};

struct BindReport {
  std::vector<BoundTensor> tensors;  // in slot order
  size_t mapped_bytes = 0, private_bytes = 0;
  const BoundTensor* find(std::string_view slot) const;
};

// Assigns every slot below `root`, frozen. Of two sources that offer the same slot the later one
// wins (a projector over its base). The files stay mapped as long as the module lives. Not to be
// called in inference mode: the weights could never take part in training. Throws one ModelError
// that collects missing, unexpected and ambiguous tensors, wrong shapes and wrong dtypes.
BindReport bind_weights(torch::nn::Module& root, std::span<const WeightSource> sources,
                        const BindOptions& options = {});

// One error for a list of complaints: the first ten and the count.
[[noreturn]] void throw_collected(const std::vector<std::string>& problems);

}  // namespace isthmus::weights
