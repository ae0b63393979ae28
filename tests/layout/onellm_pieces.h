// The tiny OneLLM of the golden cases, and the same weights cut into files in every published way.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "formats/checkpoint.h"
#include "formats/torch_checkpoint.h"
#include "layout/fixtures.h"
#include "layout/onellm_names.h"

namespace isthmus::layout {

inline std::filesystem::path onellm_case(const std::string& name = "tiny") {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "onellm" / name;
}

inline formats::Checkpoint tiny_onellm() {
  return formats::Checkpoint::open(onellm_case() / "model" / "consolidated.00-of-01.pth");
}

inline std::vector<formats::RawTensor> tensors_of(const formats::Checkpoint& checkpoint) {
  std::vector<formats::RawTensor> tensors;
  for (const std::string& name : checkpoint.names()) tensors.push_back(checkpoint.at(name));
  return tensors;
}

// What lies beside the weights, in a fresh folder of this name.
inline std::filesystem::path onellm_folder_without_weights(const std::string& name) {
  const auto folder = fresh_folder(name);
  for (const char* file : {"params.json", "onellm.json", "tokenizer.model"})
    std::filesystem::copy_file(onellm_case() / "model" / file, folder / file);
  return folder;
}

// Piece `rank` of `ranks` along `axis`, a view.
inline formats::RawTensor piece_of(formats::RawTensor tensor, size_t axis, int64_t rank,
                                   int64_t ranks) {
  const int64_t size = tensor.shape.at(axis) / ranks;
  tensor.shape[axis] = size;
  const auto extent = formats::extent_within(tensor.shape, tensor.strides, INT64_MAX);
  const size_t element = size_of(tensor.dtype);
  tensor.bytes = tensor.bytes.subspan(
      static_cast<size_t>(rank * size * tensor.strides[axis]) * element,
      static_cast<size_t>(*extent) * element);
  return tensor;
}

// consolidated.RR-of-MM.pth, cut as fairscale cuts.
inline std::filesystem::path onellm_in_ranks(const std::string& name, int64_t ranks) {
  const auto folder = onellm_folder_without_weights(name);
  for (int64_t rank = 0; rank < ranks; ++rank) {
    auto tensors = tensors_of(tiny_onellm());
    for (formats::RawTensor& tensor : tensors)
      if (const auto axis = onellm_cut_axis(tensor.name))
        tensor = piece_of(tensor, *axis, rank, ranks);
    formats::write_torch_checkpoint(
        folder / fmt::format("consolidated.{:02}-of-{:02}.pth", rank, ranks), tensors);
  }
  return folder;
}

// consolidated.00-of-01.sN.pth: tensor i in part i modulo `parts`.
inline std::filesystem::path onellm_in_parts(const std::string& name, size_t parts) {
  const auto folder = onellm_folder_without_weights(name);
  const auto all = tensors_of(tiny_onellm());
  for (size_t part = 0; part < parts; ++part) {
    std::vector<formats::RawTensor> tensors;
    for (size_t i = part; i < all.size(); i += parts) tensors.push_back(all[i]);
    formats::write_torch_checkpoint(
        folder / fmt::format("consolidated.00-of-01.s{}.pth", part), tensors);
  }
  return folder;
}

// consolidated.00.pth: the language model alone, as Meta publishes it.
inline std::filesystem::path onellm_llama(const std::string& name) {
  const auto folder = onellm_folder_without_weights(name);
  std::filesystem::remove(folder / "onellm.json");
  std::vector<formats::RawTensor> tensors;
  for (formats::RawTensor tensor : tensors_of(tiny_onellm())) {
    const std::string own = tensor.name.substr(std::string("llma.").size());
    if (!own.starts_with("layers.") && !own.starts_with("tok_embeddings.") &&
        !own.starts_with("norm.") && !own.starts_with("output."))
      continue;
    tensor.name = own;
    tensors.push_back(std::move(tensor));
  }
  formats::RawTensor angles = tensors.back();
  angles.name = "rope.freqs";
  tensors.push_back(angles);
  formats::write_torch_checkpoint(folder / "consolidated.00.pth", tensors);
  return folder;
}

// The checkpoint with some tensors changed, in a folder of its own: `change` gives what becomes of
// each, nothing for one that is left out; `added` follow.
inline std::filesystem::path onellm_changed(
    const std::string& name,
    const std::function<std::optional<formats::RawTensor>(formats::RawTensor)>& change,
    const std::vector<formats::RawTensor>& added = {}) {
  const auto folder = onellm_folder_without_weights(name);
  std::vector<formats::RawTensor> tensors;
  for (const formats::RawTensor& tensor : tensors_of(tiny_onellm()))
    if (auto changed = change(tensor)) tensors.push_back(std::move(*changed));
  tensors.insert(tensors.end(), added.begin(), added.end());
  formats::write_torch_checkpoint(folder / "consolidated.00-of-01.pth", tensors);
  return folder;
}

}  // namespace isthmus::layout
