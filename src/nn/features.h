// What an encoder makes of its input, and all an aligner gets to see.
#pragma once

#include <string>

#include <torch/types.h>

namespace isthmus::nn {

struct Features {
  torch::Tensor values;  // [items, patches (+ 1 class token in front), hidden_size] float32
  std::string modality = "image";  // for aligners that hold weights for each
};

}  // namespace isthmus::nn
