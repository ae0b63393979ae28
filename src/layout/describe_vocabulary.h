// What `isthmus describe` says of a GGUF file that holds a vocabulary and no weights.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "formats/gguf.h"

namespace isthmus::layout {

struct VocabularyDescription {
  struct SpecialToken {
    std::string role;  // "bos", "eos", …
    int64_t id;
    std::string token;
  };
  std::string name;          // of the file, without its ending
  std::string architecture;  // of the model that it belongs to
  std::string kind;          // tokenizer.ggml.model: "llama", "gpt2", "t5"
  std::string words;         // tokenizer.ggml.pre; "" where the file names none
  int64_t tokens = 0, merges = 0;
  std::vector<std::pair<std::string, int64_t>> types;  // "normal", 128000
  std::vector<SpecialToken> special;
  // What is put around a text by itself.
  std::vector<std::string> before, behind;
};

bool is_vocabulary(const formats::GgufFile& file);
// Throws what load_gguf_tokenizer throws.
VocabularyDescription describe_vocabulary(const formats::GgufFile& file);

std::string to_text(const VocabularyDescription& description);
nlohmann::json to_json(const VocabularyDescription& description);

}  // namespace isthmus::layout
