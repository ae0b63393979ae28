#include "families/family.h"

#include <fmt/format.h>

#include "isthmus/error.h"
#include "modalities/modality.h"

namespace isthmus::families {

void require_plain_picture(const MediaSource& source) {
  const Part& part = *source.part;
  if (part.modality != modalities::Modality::kImage)
    throw UnsupportedError(
        fmt::format("{}: this model takes text and images, not {}", source.name, part.modality));
  if (part.crop || part.start || part.end || !part.rgb.empty() || !part.mask.empty() ||
      !part.unit.empty())
    throw UsageError(fmt::format(
        "{}: this model sees whole pictures; leave out crop, rgb, start, end, unit and mask",
        source.name));
}

size_t EncodedMedia::bytes() const {
  size_t total = 0;
  const auto add = [&](const Tensor& tensor) {
    if (tensor.defined()) total += tensor.nbytes();
  };
  for (const Tensor& tensor : {features, projected, tokens, routing}) add(tensor);
  if (memory != nullptr) {
    add(memory->latents);
    for (const nn::MediaKeyValue& layer : memory->layers) {
      add(layer.key);
      add(layer.value);
    }
  }
  return total;
}

void Family::save(const std::filesystem::path&, const OutputOptions&) {
  throw UnsupportedError("models of this family are not saved");
}

std::vector<std::vector<float>> Family::embed_images(std::span<const modalities::Prepared>) {
  throw UnsupportedError("this model has no space in which pictures are compared");
}

}  // namespace isthmus::families
