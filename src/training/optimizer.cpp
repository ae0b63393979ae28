#include "training/optimizer.h"

#include <algorithm>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/state_table.h"

namespace isthmus::training {

std::vector<Trainable> Optimizer::trainables() const {
  std::vector<Trainable> all;
  for (const ParameterGroup& group : groups_)
    all.insert(all.end(), group.members.begin(), group.members.end());
  return all;
}

std::vector<std::pair<std::string, Tensor>> StateTable::entries() const {
  std::vector<std::pair<std::string, Tensor>> entries;
  for (const auto& [name, tensors] : tensors_)
    for (size_t kind = 0; kind < kinds_.size(); ++kind)
      if (tensors[kind].defined()) entries.emplace_back(kinds_[kind] + "." + name, tensors[kind]);
  return entries;
}

void StateTable::load(const std::vector<std::pair<std::string, Tensor>>& state,
                      const std::vector<Trainable>& trainables,
                      const std::vector<std::string>& scalars) {
  tensors_.clear();
  for (const auto& [name, tensor] : state) {
    const size_t dot = name.find('.');
    const std::string kind = name.substr(0, dot),
                      weight = name.substr(std::min(dot, name.size() - 1) + 1);
    const auto found = std::ranges::find(kinds_, kind);
    const auto owner = std::ranges::find(trainables, weight, &Trainable::name);
    if (found == kinds_.end() || owner == trainables.end())
      throw ModelError(
          fmt::format("the optimiser's state holds {}, which belongs to no weight "
                      "that is trained",
                      name));
    const bool scalar = std::ranges::find(scalars, kind) != scalars.end();
    if (scalar ? tensor.numel() != 1 : tensor.sizes() != owner->value.sizes())
      throw ModelError(fmt::format("the optimiser's state holds {} of another shape", name));
    of(*owner)[static_cast<size_t>(found - kinds_.begin())] = tensor.clone();
  }
}

}  // namespace isthmus::training
