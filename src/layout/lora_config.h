// How a LoRA adapter is to be applied, from PEFT's adapter_config.json.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/json_view.h"

namespace isthmus::layout {

// W' = W + scaling · B A with A [rank, in] and B [out, rank].          Hu et al. 2021, §4.1
struct LoraConfig {
  int64_t rank;
  double lora_alpha;
  bool use_rslora;      // scaling by the square root of the rank (Kalajdzievski 2023)
  double lora_dropout;  // of training
  std::string base_model_name_or_path;

  double scaling() const;
  // Throws ModelError for nonsense, UnsupportedError for what changes the formula (DoRA, biases,
  // ranks per layer, transposed storage).
  static LoraConfig parse(const JsonView& json);
  // adapter_config.json as PEFT writes it. `target_modules`: "q_proj", …
  nlohmann::json to_json(const std::set<std::string>& target_modules) const;
};

}  // namespace isthmus::layout
