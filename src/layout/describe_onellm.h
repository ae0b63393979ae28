// What `isthmus describe` says of a OneLLM besides its module tree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "layout/describe_parts.h"
#include "layout/onellm_model.h"

namespace isthmus::layout {

// How much an expert counts over the learned rows of a modality.
struct ExpertShare {
  double mean, least, most;
};

struct ModalityDescription {
  std::string name, key;
  std::string tokenizer;   // "conv2d 16x16, stride 10x10"
  std::string input;       // "[1, 128, 1024]"
  bool by_recipe;          // read as onellm.json says, not as the reference does
  int64_t frame_tokens;    // what the encoder reads of one frame, the class token included
  int64_t sequence_rows;   // what enters the sequence, tags included
  int64_t num_parameters;  // that belong to this modality alone
  std::vector<ExpertShare> experts;  // empty without a router
};

struct OneLlmDescription : ModelDescription {
  std::vector<ModalityDescription> modalities;
  int64_t num_files, ranks;
  int64_t context_length;
  int64_t cache_bytes_per_token;  // keys and values of the language model, float32
  std::string prompt;             // of a question, in the default template
};

// `model` may have been opened without the bytes of its cut matrices. A tensor that is missing or
// misshapen is listed.
OneLlmDescription describe_onellm(const OneLlmModel& model);

std::string to_text(const OneLlmDescription& description);
nlohmann::json to_json(const OneLlmDescription& description);

}  // namespace isthmus::layout
