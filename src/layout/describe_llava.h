// What `isthmus describe` says of a LLaVA besides its module tree, from configs and headers alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "layout/describe_parts.h"
#include "layout/llava_folder.h"
#include "layout/picture_path.h"

namespace isthmus::layout {

// The folders a model is put together from.
struct LlavaSources {
  LlavaFolder model;
  std::optional<LlavaFolder> base;  // of a projector-only or LoRA folder
  std::filesystem::path
      tower;  // the separate vision tower; "" when there is none or it was not found
};

struct LlavaDescription : ModelDescription {
  std::vector<PicturePath> pictures;  // a few sizes; empty for a text-only model
  int64_t context_len, max_position_embeddings;
  std::optional<int64_t> tokenizer_model_max_length;
  std::string conversation_template;
};

// The vision tower's config: from the model's own file or its separate folder; nullopt when
// text-only or not found.
std::optional<ClipVisionConfig> tower_of(const LlavaSources& sources);

// Reads the headers of every checkpoint file involved. Throws what opening them throws; a tensor
// that is missing or misshapen is listed, not thrown.
LlavaDescription describe_llava(const LlavaSources& sources);
// The same of tensors that were found elsewhere. Name, layout, contents, stages and template are
// left to the caller.
LlavaDescription describe_llava(const LlavaConfig& config,
                                const std::optional<ClipVisionConfig>& tower,
                                const StoredTensors& stored);

std::string to_text(const LlavaDescription& description);
nlohmann::json to_json(const LlavaDescription& description);

}  // namespace isthmus::layout
