// What stands beside a tokenizer: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/token_table.h"

namespace isthmus::text {

struct TokenizerSettings {
  std::filesystem::path file;   // of the vocabulary: what messages call the tokenizer
  std::string tokenizer_class;  // "" when the config does not say
  bool legacy = true;
  std::optional<bool> add_bos_token, add_eos_token;
  // transformers 4 cleans up (" ." -> "." …) unless told otherwise, and the Llama tokenizers tell
  // otherwise.
  bool clean_up_tokenization_spaces = true;
  std::string bos_token, eos_token, unk_token, pad_token;  // "" when there is none
  std::vector<AddedToken> special_tokens;  // all of them, without ids, in transformers' order
  std::vector<AddedToken> added_tokens;    // with ids
  std::string chat_template;
  std::optional<TokenId> bos_id, eos_id, unk_id, pad_id;  // set by apply()

  // All files are optional; ModelError when one is broken.
  static TokenizerSettings load(const std::filesystem::path& folder);
  bool is_llama() const;
  // Adds `added_tokens` and `special_tokens` to the table where missing and looks up the four ids.
  void apply(TokenTable& table);
};

}  // namespace isthmus::text
