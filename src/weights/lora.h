// Low-rank adapters in PEFT's files, merged into the weights or left beside them.
// Hu et al. 2021, §4.1.
#pragma once

#include <cstddef>
#include <cstdint>

#include <torch/nn/module.h>

#include "formats/checkpoint.h"
#include "formats/name_map.h"

namespace isthmus::weights {

struct LoraReport {
  int64_t matrices = 0;      // how many were adapted
  size_t private_bytes = 0;  // of merged matrices or of adapters
};

// `names` maps "base_model.model.….q_proj.lora_A.weight" to "….q_proj.lora_A.weight" below `root`.
// Every tensor of the adapter must be half of a pair lora_A.weight [r, in], lora_B.weight [out, r]
// (also lora_A.default.weight). Whatever does not fit is collected into one ModelError.

// W' = W + scaling · B A, rounded the way the reference does with its float16 base: adapter,
// product and sum to float16. A base stored otherwise keeps its type and rounds the sum only. The
// adapted matrices become private.
LoraReport merge_lora(torch::nn::Module& root, const formats::Checkpoint& adapter,
                      const formats::NameMap& names, double scaling);
// Leaves W as it is and adds the branch to the linear layers (nn::Linear::set_lora).
LoraReport attach_lora(torch::nn::Module& root, const formats::Checkpoint& adapter,
                       const formats::NameMap& names, double scaling);

}  // namespace isthmus::weights
