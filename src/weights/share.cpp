#include "weights/share.h"

#include <unordered_map>
#include <vector>

#include "nn/slots.h"
#include "weights/bind.h"

namespace isthmus::weights {

void share_weights(torch::nn::Module& from, torch::nn::Module& to, const std::string& config,
                   const std::function<bool(const std::string& slot)>& wanted) {
  std::unordered_map<std::string, nn::Slot> filled;
  for (nn::Slot& slot : nn::slots_of(from))
    if (!wanted || wanted(slot.name)) filled.emplace(slot.name, std::move(slot));
  const std::vector<nn::Slot> slots = nn::slots_of(to);
  std::vector<std::string> problems;
  for (const nn::Slot& slot : slots)
    if (const auto found = filled.find(slot.name);
        found != filled.end() && found->second.shape != slot.shape)
      problems.push_back(config + " needs " + slot.name + " as " + to_string(slot.shape) +
                         ", the loaded model has it as " + to_string(found->second.shape));
  if (!problems.empty()) throw_collected(problems);
  for (const nn::Slot& slot : slots) {
    const auto found = filled.find(slot.name);
    if (found == filled.end()) continue;
    if (slot.is_matrix()) {
      if (auto matrix = found->second.matrix()) slot.set_matrix(std::move(matrix));
    } else if (const auto value = found->second.value(); value.defined()) {
      slot.set_tensor(value);
    }
  }
}

}  // namespace isthmus::weights
