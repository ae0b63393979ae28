// Low-rank adapters in PEFT's files: merged into the weights, or left beside them.     Hu et al.
// 2021, §4.1
#pragma once

#include <cstddef>
#include <cstdint>

#include <torch/nn/module.h>

#include "formats/checkpoint.h"
#include "weights/name_map.h"

namespace isthmus::weights {

struct LoraReport {
  int64_t matrices = 0;      // how many were adapted
  size_t private_bytes = 0;  // of merged matrices or of adapters
};

// `names` maps the name of the adapted weight as PEFT spells it,
// "base_model.model.….q_proj.weight", to its slot. Every tensor of the adapter must be half of a
// pair NAME.lora_A.weight [r, in], NAME.lora_B.weight [out, r] (also NAME.lora_A.default.weight).
// All of what does not fit is one ModelError.

// W' = W + scaling · B A, rounded the way the reference does with its float16 base: adapter,
// product and sum to float16. A base stored otherwise keeps its type and rounds the sum only. The
// adapted matrices become private.
LoraReport merge_lora(torch::nn::Module& root, const formats::Checkpoint& adapter,
                      const NameMap& names, double scaling);
// Leaves W as it is and adds the branch to the linear layers (nn::Linear::set_lora).
LoraReport attach_lora(torch::nn::Module& root, const formats::Checkpoint& adapter,
                       const NameMap& names, double scaling);

}  // namespace isthmus::weights
