#include "encoders/patch_embedding.h"

namespace isthmus::encoders {

PatchEmbeddingImpl::PatchEmbeddingImpl(const PatchGrid& grid)
    : LinearImpl(grid.channels * grid.patch_size * grid.patch_size, grid.hidden_size, false),
      grid_(grid) {}

Tensor PatchEmbeddingImpl::forward(const Tensor& pixels) {
  const int64_t n = pixels.size(0), side = grid_.patches_per_side(), patch = grid_.patch_size;
  const Tensor patches = pixels.narrow(2, 0, side * patch)
                             .narrow(3, 0, side * patch)
                             .reshape({n, grid_.channels, side, patch, side, patch})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({n, side * side, grid_.channels * patch * patch});
  return LinearImpl::forward(patches);
}

std::vector<nn::Slot> PatchEmbeddingImpl::slots() {
  return {weight_slot({out_features(), grid_.channels, grid_.patch_size, grid_.patch_size})};
}

}  // namespace isthmus::encoders
