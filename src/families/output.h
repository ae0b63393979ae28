// How a model is written, so that the original code loads it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/dtype.h"

namespace isthmus::families {

// kTrained: the smallest of the family's forms that holds all that asks for gradients. LLaVA:
// kProjector is mm_projector.bin with its config, kLora a PEFT folder, kFull all weights (low-rank
// branches folded in). OpenFlamingo has its checkpoint.pt, OneLLM its consolidated file, whatever
// is asked for.
enum class OutputForm { kTrained, kProjector, kLora, kFull };

struct OutputOptions {
  OutputForm form = OutputForm::kTrained;
  // "reference": what the training scripts of the original leave behind (bfloat16 of LLaVA and
  // OneLLM, float32 of OpenFlamingo); "stored": as the files that were loaded, and what was not in
  // them as most of it; "f32", "f16", "bf16".
  std::string dtype = "reference";
  // LoRA: what adapter_config.json calls the base; "": as it was named, or its folder.
  std::string base_name = {};
  double lora_dropout = 0;  // LoRA: of training, told in adapter_config.json
  // OpenFlamingo: as training writes it, {"model_state_dict": …} with "module." before every name;
  // else a flat dict, as released.
  bool as_training_state = false;
};

// Of matrices in GGUF files. Q8_0 where rows are whole blocks of 32, else float16; norms and biases
// are float32 always.
enum class GgufStorage { kF32, kF16, kQ8_0 };
// "f32", "f16", "q8_0". Throws UsageError for another word.
GgufStorage parse_gguf_storage(std::string_view text);

// The type that `options.dtype` asks for; nothing for "stored". Throws UsageError for another word.
std::optional<DType> output_dtype(std::string_view text, DType reference);

}  // namespace isthmus::families
