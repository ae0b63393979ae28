#include "families/package.h"

#include <unordered_map>
#include <utility>

#include "base/atomic_file.h"
#include "layout/llava_output.h"
#include "nn/slots.h"
#include "weights/tensor_of.h"

namespace isthmus::families {
namespace {

namespace fs = std::filesystem;
using formats::OutgoingTensor;
using formats::RawTensor;

// Held otherwise than it is stored.
OutgoingTensor converted(const RawTensor& raw, DType held) {
  OutgoingTensor out{raw.name, held, raw.shape, {}};
  out.values = [raw, held] {
    if (!is_quantised(held)) return weights::raw_of(weights::tensor_of(raw), raw.shape, held);
    const auto blocks = weights::quantised(raw, held);
    RawTensor made;
    made.dtype = held;
    made.shape = raw.shape;
    made.strides = formats::row_major_strides(raw.shape);
    made.bytes = {static_cast<const std::byte*>(blocks->blocks()), blocks->bytes()};
    made.owner = blocks;
    return made;
  };
  return out;
}

}  // namespace

void Package::add_files(const fs::path& from, const std::string& folder) {
  std::vector<fs::path> found = layout::companion_files(from);
  for (const char* config : {"config.json", "open_clip_config.json"})
    if (fs::is_regular_file(from / config)) found.push_back(from / config);
  for (const fs::path& file : found)
    files[(fs::path(folder) / file.filename()).string()] = read_file(file);
}

formats::BundleContents contents_of(const Package& package, torch::nn::Module& modules,
                                    const weights::StoragePolicy& storage,
                                    std::function<void()> on_tensor) {
  std::unordered_map<std::string, bool> is_matrix;
  for (const nn::Slot& slot : nn::slots_of(modules)) is_matrix[slot.name] = slot.is_matrix();
  formats::BundleContents contents{package.name, package.model, package.files, {}};
  for (const Package::Weights& part : package.weights) {
    auto& tensors = contents.weights[part.file];
    for (const std::string& name : part.source.checkpoint.names()) {
      if (part.source.ignores && part.source.ignores(name)) continue;
      const RawTensor& raw = part.source.checkpoint.at(name);
      const auto slot = part.source.names.to_module(name);
      const bool has_choice = slot && is_matrix[slot->name] &&
                              slot->transform == formats::Transform::kAsIs &&
                              (is_floating_point(raw.dtype) || is_quantised(raw.dtype));
      const DType held = has_choice ? storage.dtype_for(slot->name, raw.dtype) : raw.dtype;
      OutgoingTensor tensor = held == raw.dtype ? formats::outgoing(raw) : converted(raw, held);
      if (on_tensor)
        tensor.values = [make = std::move(tensor.values), on_tensor] {
          on_tensor();
          return make();
        };
      tensors.push_back(std::move(tensor));
    }
  }
  return contents;
}

}  // namespace isthmus::families
