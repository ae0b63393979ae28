// Tensors that an optimiser keeps for every weight, by name.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "training/optimizer.h"

namespace isthmus::training {

// `kinds`: "exp_avg", …; entries are called "exp_avg.aligner.projector.0.weight".
class StateTable {
 public:
  explicit StateTable(std::vector<std::string> kinds) : kinds_(std::move(kinds)) {}

  // The tensors of one weight, in the order of the kinds; undefined before the first step.
  std::vector<Tensor>& of(const Trainable& trainable) {
    auto [at, fresh] = tensors_.try_emplace(trainable.name);
    if (fresh) at->second.resize(kinds_.size());
    return at->second;
  }
  std::vector<std::pair<std::string, Tensor>> entries() const;
  // Throws ModelError; see Optimizer::load_state. Kinds in `scalars` have one number.
  void load(const std::vector<std::pair<std::string, Tensor>>& state,
            const std::vector<Trainable>& trainables, const std::vector<std::string>& scalars);

 private:
  std::vector<std::string> kinds_;
  std::map<std::string, std::vector<Tensor>> tensors_;
};

}  // namespace isthmus::training
