// The stem of every vision transformer: one linear map per patch.
#pragma once

#include <vector>

#include <torch/nn/pimpl.h>

#include "nn/linear.h"

namespace isthmus::encoders {
using torch::Tensor;

struct PatchGrid {
  int64_t channels, image_size, patch_size, hidden_size;

  // A convolution ignores what is left over when the image size is no multiple of the patch size.
  int64_t patches_per_side() const { return image_size / patch_size; }
};

// A convolution whose kernel is its stride. Published as [hidden_size, channels, P, P], no bias.
class PatchEmbeddingImpl : public nn::LinearImpl {
 public:
  explicit PatchEmbeddingImpl(const PatchGrid& grid);
  Tensor forward(
      const Tensor& pixels);  // [n, channels, S, S] -> [n, patches, hidden_size], row by row
  std::vector<nn::Slot> slots() override;

 private:
  PatchGrid grid_;
};
TORCH_MODULE(PatchEmbedding);

}  // namespace isthmus::encoders
