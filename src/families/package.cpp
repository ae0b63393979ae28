#include "families/package.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/atomic_file.h"
#include "layout/llava_output.h"
#include "nn/quantised_matrix.h"
#include "nn/slots.h"
#include "weights/ggml_matrix.h"
#include "weights/tensor_of.h"

namespace isthmus::families {
namespace {

namespace fs = std::filesystem;
using formats::OutgoingTensor;
using formats::RawTensor;

RawTensor raw_of(const std::shared_ptr<const nn::QuantisedMatrix>& blocks, const Shape& shape) {
  RawTensor raw;
  raw.dtype = blocks->dtype();
  raw.shape = shape;
  raw.strides = formats::row_major_strides(shape);
  raw.bytes = {static_cast<const std::byte*>(blocks->blocks()), blocks->bytes()};
  raw.owner = blocks;
  return raw;
}

// Held otherwise than it is stored. `bound`: the matrix as the model at hand holds it, or null.
OutgoingTensor converted(const RawTensor& raw, DType held,
                         const std::shared_ptr<const nn::WeightMatrix>& bound) {
  OutgoingTensor out{raw.name, held, raw.shape, {}};
  // What was repacked when the model was loaded is not repacked again.
  auto repacked = raw.blocks && bound != nullptr && bound->dtype() == held
                      ? std::dynamic_pointer_cast<const nn::QuantisedMatrix>(bound)
                      : nullptr;
  out.values = [raw, held, repacked = std::move(repacked)] {
    if (repacked != nullptr) return raw_of(repacked, raw.shape);
    if (is_quantised(held)) return raw_of(weights::quantised(raw, held), raw.shape);
    return weights::raw_of(weights::tensor_of(raw), raw.shape, held);
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

bool Package::holds_blocks() const {
  return std::any_of(weights.begin(), weights.end(), [](const Weights& part) {
    const formats::Checkpoint& checkpoint = part.source.checkpoint;
    const auto& names = checkpoint.names();
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return is_quantised(checkpoint.at(name).dtype);
    });
  });
}

formats::BundleContents contents_of(const Package& package, torch::nn::Module& modules,
                                    const weights::StoragePolicy& storage,
                                    std::function<void()> on_tensor) {
  std::unordered_map<std::string, std::shared_ptr<const nn::WeightMatrix>> matrices;
  for (const nn::Slot& slot : nn::slots_of(modules))
    if (slot.is_matrix()) matrices[slot.name] = slot.matrix();
  formats::BundleContents contents{package.name, package.model, package.files, {}};
  for (const Package::Weights& part : package.weights) {
    auto& tensors = contents.weights[part.file];
    for (const std::string& name : part.source.checkpoint.names()) {
      if (part.source.ignores && part.source.ignores(name)) continue;
      const RawTensor& raw = part.source.checkpoint.at(name);
      const auto slot = part.source.names.to_module(name);
      const auto matrix = slot ? matrices.find(slot->name) : matrices.end();
      const bool has_choice = matrix != matrices.end() &&
                              slot->transform == formats::Transform::kAsIs &&
                              (is_floating_point(raw.dtype) || is_quantised(raw.dtype));
      const DType stored = raw.blocks ? weights::held_for(*raw.blocks) : raw.dtype;
      const DType held = has_choice ? storage.dtype_for(slot->name, stored) : raw.dtype;
      OutgoingTensor tensor = held == raw.dtype
                                  ? formats::outgoing(raw)
                                  : converted(raw, held, has_choice ? matrix->second : nullptr);
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
