// Two module trees on the same weights.
#pragma once

#include <functional>
#include <string>

#include <torch/nn/module.h>

namespace isthmus::weights {

// Gives every slot below `to` what the slot of its name below `from` holds: the same memory,
// nothing is copied. Slots that are not `wanted` (by their names; empty: all are), or that `from`
// lacks or has not filled, stay as they are, and so does `from`, which may be computing meanwhile.
// Throws one ModelError for shapes that differ; `config` names who asks for those of `to`.
void share_weights(torch::nn::Module& from, torch::nn::Module& to, const std::string& config,
                   const std::function<bool(const std::string& slot)>& wanted = {});

}  // namespace isthmus::weights
