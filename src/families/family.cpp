#include "families/family.h"

#include "isthmus/error.h"

namespace isthmus::families {

size_t EncodedMedia::bytes() const {
  size_t total = 0;
  const auto add = [&](const Tensor& tensor) {
    if (tensor.defined()) total += tensor.nbytes();
  };
  for (const Tensor& tensor : {features, projected, tokens}) add(tensor);
  if (memory != nullptr) {
    add(memory->latents);
    for (const nn::MediaKeyValue& layer : memory->layers) {
      add(layer.key);
      add(layer.value);
    }
  }
  return total;
}

std::vector<std::vector<float>> Family::embed_images(std::span<const modalities::Prepared>) {
  throw UnsupportedError("this model has no space in which pictures are compared");
}

}  // namespace isthmus::families
