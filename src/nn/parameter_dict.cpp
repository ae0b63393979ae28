#include "nn/parameter_dict.h"

#include <utility>

#include "base/check.h"

namespace isthmus::nn {

ParameterDictImpl::ParameterDictImpl(std::map<std::string, Shape> shapes)
    : shapes_(std::move(shapes)) {
  for (const auto& [name, shape] : shapes_) tensors_.emplace(name, Tensor());
}

const Tensor& ParameterDictImpl::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  ISTHMUS_CHECK(found != tensors_.end() && found->second.defined(),
                "no parameter \"" + name + "\", or it was used before it was assigned");
  return found->second;
}

std::vector<Slot> ParameterDictImpl::slots() {
  std::vector<Slot> slots;
  for (const auto& [name, shape] : shapes_)
    slots.push_back(tensor_slot(name, tensors_.at(name), shape));
  return slots;
}

}  // namespace isthmus::nn
