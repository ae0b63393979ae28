// What `isthmus describe` says of a LLaVA besides its module tree, from configs and headers alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "layout/llava_folder.h"
#include "layout/module_tree.h"
#include "layout/picture_path.h"

namespace isthmus::layout {

// The folders a model is put together from.
struct LlavaSources {
  LlavaFolder model;
  std::optional<LlavaFolder> base;  // of a projector-only or LoRA folder
  std::filesystem::path
      tower;  // the separate vision tower; "" when there is none or it was not found
};

struct PartDescription {
  std::string name;          // encoder, aligner, decoder, adapter
  std::string architecture;  // "LLaMA, 32 layers of 4096, …"
  int64_t num_parameters;    // as the configs state them
  int64_t num_tensors;
  int64_t stored_bytes;             // 0 when no file holds the part
  std::vector<std::string> dtypes;  // as stored, sorted
  std::string source;               // the folder that holds it
};

// A training stage of the recipe and the parts it changes.
struct StageDescription {
  std::string name;
  std::vector<std::string> trained, frozen;
};

struct LlavaDescription {
  std::string name, layout, contents;
  std::vector<PartDescription> parts;
  int64_t num_parameters, num_tensors, stored_bytes;
  std::vector<StageDescription> stages;
  std::vector<PicturePath> pictures;  // a few sizes; empty for a text-only model
  int64_t context_len, max_position_embeddings;
  std::optional<int64_t> tokenizer_model_max_length;
  std::string conversation_template;
  std::vector<std::string> problems;  // tensors that are missing or have another shape, at most ten
  int64_t num_problems;
};

// The vision tower's config: from the model's own file or its separate folder; nullopt when
// text-only or not found.
std::optional<ClipVisionConfig> tower_of(const LlavaSources& sources);

// Reads the headers of every checkpoint file involved. Throws what opening them throws; a tensor
// that is missing or misshapen is listed, not thrown.
LlavaDescription describe_llava(const LlavaSources& sources);

std::string to_text(const LlavaDescription& description);
nlohmann::json to_json(const LlavaDescription& description);

}  // namespace isthmus::layout
