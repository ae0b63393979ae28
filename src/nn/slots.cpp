#include "nn/slots.h"

#include "base/check.h"

namespace isthmus::nn {
namespace {

void collect(torch::nn::Module& module, const std::string& prefix, std::vector<Slot>& out) {
  if (auto* owner = dynamic_cast<SlotModule*>(&module)) {
    for (Slot& slot : owner->slots()) {
      slot.name = prefix + slot.name;
      out.push_back(std::move(slot));
    }
  }
  for (const auto& child : module.named_children()) {
    collect(*child.value(), prefix + child.key() + ".", out);
  }
}

}  // namespace

void SlotModule::replace_parameter(const std::string& name, Tensor& member, const Tensor& value) {
  member = value;
  if (Tensor* registered = parameters_.find(name)) {
    *registered = value;
  } else {
    register_parameter(name, value, /*requires_grad=*/false);
  }
}

Slot SlotModule::tensor_slot(const std::string& name, Tensor& member, Shape shape) {
  Slot slot;
  slot.name = name;
  slot.shape = std::move(shape);
  slot.set_tensor = [this, name, &member, expected = slot.shape](const Tensor& value) {
    ISTHMUS_CHECK(value.sizes() == torch::IntArrayRef(expected), "wrong shape for " + name);
    replace_parameter(name, member, value);
  };
  slot.matrix = [] { return std::shared_ptr<const WeightMatrix>(); };
  slot.value = [&member] { return member.defined() ? member.detach() : Tensor(); };
  return slot;
}

std::vector<Slot> slots_of(torch::nn::Module& root) {
  std::vector<Slot> out;
  collect(root, "", out);
  return out;
}

std::shared_ptr<torch::nn::Module> find_module(torch::nn::Module& root, std::string_view path) {
  std::shared_ptr<torch::nn::Module> found;
  torch::nn::Module* current = &root;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const auto children = current->named_children();
    const auto* child = children.find(std::string(path.substr(0, dot)));
    if (child == nullptr) return nullptr;
    found = *child;
    current = found.get();
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return found;
}

}  // namespace isthmus::nn
