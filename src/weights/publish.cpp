#include "weights/publish.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "nn/dense_matrix.h"
#include "nn/linear.h"
#include "nn/low_rank.h"
#include "weights/tensor_of.h"

namespace isthmus::weights {
namespace {

using formats::OutgoingTensor;
using formats::RawTensor;
using torch::Tensor;

constexpr std::string_view kWeight = ".weight";

bool is_low_rank(std::string_view slot) {
  return slot.ends_with(".lora_A.weight") || slot.ends_with(".lora_B.weight");
}

// As it is, uncopied; nothing where it is held otherwise.
std::optional<RawTensor> held_as(const std::shared_ptr<const nn::WeightMatrix>& matrix,
                                 const Shape& shape, DType dtype) {
  const auto* dense = dynamic_cast<const nn::DenseMatrix*>(matrix.get());
  if (dense == nullptr || dense->dtype() != dtype || dense->stored().row_stride != dense->cols())
    return std::nullopt;
  RawTensor out;
  out.dtype = dtype;
  out.shape = shape;
  out.strides = formats::row_major_strides(shape);
  out.bytes = {static_cast<const std::byte*>(dense->stored().data), dense->bytes()};
  out.owner = matrix;
  return out;
}

// Of each slot the tensor of the last source that has it, as bind_weights chooses.
std::map<std::string, RawTensor, std::less<>> chosen(std::span<const WeightSource> sources) {
  std::map<std::string, RawTensor, std::less<>> stored;
  for (const WeightSource& source : sources)
    for (const std::string& name : source.checkpoint.names()) {
      if (source.ignores && source.ignores(name)) continue;
      if (const auto slot = source.names.to_module(name))
        stored[slot->name] = formats::apply(slot->transform, source.checkpoint.at(name));
    }
  return stored;
}

// The type of most values.
DType usual_dtype(const std::map<std::string, RawTensor, std::less<>>& stored) {
  std::map<DType, int64_t> counts;
  for (const auto& [slot, raw] : stored)
    if (!is_quantised(raw.dtype)) counts[raw.dtype] += raw.element_count();
  const auto most = std::ranges::max_element(
      counts, [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? DType::kF32 : most->first;
}

// The layer whose matrix this slot is, if a low-rank branch stands beside it.
nn::LinearImpl* branched_layer(torch::nn::Module& root, std::string_view slot) {
  if (!slot.ends_with(kWeight)) return nullptr;
  const auto module = nn::find_module(root, slot.substr(0, slot.size() - kWeight.size()));
  auto* linear = dynamic_cast<nn::LinearImpl*>(module.get());
  return linear != nullptr && linear->has_lora() ? linear : nullptr;
}

Tensor weight_of(nn::LinearImpl& layer) { return layer.slots().front().value(); }

}  // namespace

std::set<std::string> trained_names(const torch::nn::Module& root) {
  std::set<std::string> names;
  for (const auto& parameter : root.named_parameters())
    if (parameter.value().requires_grad()) names.insert(parameter.key());
  return names;
}

Publisher::Publisher(torch::nn::Module& root, std::span<const WeightSource> sources,
                     PublishOptions options)
    : root_(root), options_(options), stored_(chosen(sources)), usual_(usual_dtype(stored_)) {
  for (nn::Slot& slot : nn::slots_of(root)) {
    (is_low_rank(slot.name) ? low_rank_ : order_).push_back(slot.name);
    slots_.emplace(slot.name, std::move(slot));
  }
}

DType Publisher::dtype_of(const std::string& slot) const {
  if (options_.dtype) return *options_.dtype;
  const auto stored = stored_.find(slot);
  return stored == stored_.end() || is_quantised(stored->second.dtype) ? usual_
                                                                       : stored->second.dtype;
}

RawTensor Publisher::values_of(const nn::Slot& slot, DType dtype) const {
  const auto stored = stored_.find(slot.name);
  const bool is_frozen = slot.is_matrix() && slot.matrix() != nullptr;
  // Blocks of few bits are no type to be published in.
  const bool from_file = is_frozen && options_.frozen_from_files && stored != stored_.end() &&
                         is_floating_point(stored->second.dtype) &&
                         stored->second.shape == slot.shape;
  if (nn::LinearImpl* layer = branched_layer(root_, slot.name)) {
    const Tensor base = from_file ? tensor_of(stored->second).contiguous() : slot.value();
    const auto folded = nn::add_low_rank(nn::DenseMatrix(base.view({base.size(0), -1})),
                                         weight_of(*layer->lora_a()), weight_of(*layer->lora_b()),
                                         layer->lora_scale());
    if (const auto held = held_as(folded, slot.shape, dtype)) return *held;
    return raw_of(folded->to_dense(), slot.shape, dtype);
  }
  if (from_file)
    return stored->second.dtype == dtype ? stored->second
                                         : raw_of(tensor_of(stored->second), slot.shape, dtype);
  if (is_frozen)
    if (const auto held = held_as(slot.matrix(), slot.shape, dtype)) return *held;
  const Tensor values = slot.value();
  ISTHMUS_CHECK(values.defined(), slot.name + " has no values to be saved");
  return raw_of(values, slot.shape, dtype);
}

OutgoingTensor Publisher::tensor(std::string_view slot, const formats::MappedName& file) const {
  const torch::NoGradGuard no_gradient;
  const auto found = slots_.find(slot);
  ISTHMUS_CHECK(found != slots_.end(), std::string(slot) + " is no weight of the model");
  const formats::Transform back = formats::inverse(file.transform);
  OutgoingTensor out{file.name, dtype_of(found->first), found->second.shape, {}};
  if (back == formats::Transform::kTranspose) std::swap(out.shape[0], out.shape[1]);
  out.values = [this, &slot = found->second, back, dtype = out.dtype] {
    const torch::NoGradGuard guard;
    return formats::apply(back, values_of(slot, dtype));
  };
  return out;
}

OutgoingTensor Publisher::copy(const RawTensor& original) const {
  const bool converts =
      options_.dtype && is_floating_point(original.dtype) && *options_.dtype != original.dtype;
  if (!converts) return formats::outgoing(original);
  OutgoingTensor out{original.name, *options_.dtype, original.shape, {}};
  out.values = [original, dtype = out.dtype] {
    return raw_of(tensor_of(original), original.shape, dtype);
  };
  return out;
}

}  // namespace isthmus::weights
