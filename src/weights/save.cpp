#include "weights/save.h"

#include <map>
#include <memory>

#include "nn/dense_matrix.h"
#include "nn/slots.h"
#include "weights/tensor_of.h"

namespace isthmus::weights {
namespace {

using formats::RawTensor;

// The slot's values as a tensor in the module's orientation, of the dtype they were published in.
RawTensor published_values(const nn::Slot& slot, DType dtype) {
  RawTensor out;
  out.dtype = dtype;
  out.shape = slot.shape;
  out.strides = formats::row_major_strides(slot.shape);
  const auto* dense = dynamic_cast<const nn::DenseMatrix*>(slot.matrix().get());
  if (dense != nullptr && dense->dtype() == dtype && dense->stored().row_stride == dense->cols()) {
    out.bytes = {static_cast<const std::byte*>(dense->stored().data),
                 dense->bytes()};  // as it is, uncopied
    out.owner = slot.matrix();
    return out;
  }
  auto values =
      std::make_shared<const torch::Tensor>(slot.value().to(scalar_type_of(dtype)).contiguous());
  out.bytes = {static_cast<const std::byte*>(values->data_ptr()),
               static_cast<size_t>(values->nbytes())};
  out.owner = values;
  return out;
}

}  // namespace

void save_like(torch::nn::Module& root, const WeightSource& source,
               const std::filesystem::path& folder) {
  std::map<std::string, nn::Slot> slots;
  for (nn::Slot& slot : nn::slots_of(root)) slots.emplace(slot.name, std::move(slot));
  std::vector<RawTensor> tensors;
  for (const std::string& name : source.checkpoint.names()) {
    const RawTensor& original = source.checkpoint.at(name);
    const bool ignored = source.ignores && source.ignores(name);
    const auto mapped = ignored ? std::nullopt : source.names.to_module(name);
    const auto slot = mapped ? slots.find(mapped->name) : slots.end();
    if (slot == slots.end()) {
      tensors.push_back(original);
      continue;
    }
    RawTensor now = formats::apply(formats::inverse(mapped->transform),
                                   published_values(slot->second, original.dtype));
    now.name = name;
    now.file = original.file;
    tensors.push_back(std::move(now));
  }
  formats::save_checkpoint_like(source.checkpoint, tensors, folder);
}

}  // namespace isthmus::weights
