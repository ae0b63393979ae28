// The ways to cut text into words that llama.cpp's files ask for by name (tokenizer.ggml.pre), in
// the expressions that the models' own tokenizer.json have.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace isthmus::text {

// Each expression cuts what the ones before it left; its matches are words, and what is between
// them too. Null: there is none.
struct WordCuts {
  std::array<const char*, 6> before;
  bool gpt2;  // then GPT-2's pattern
  std::array<const char*, 1> after;
  bool ignores_merges = false;  // a word that is a token is that token, whatever merges say
  bool adds_bos = false;        // where the file does not say
};

const WordCuts* find_word_cuts(std::string_view name);  // null: unknown
std::vector<std::string_view> word_cut_names();

// As the pre_tokenizer of a tokenizer.json.
nlohmann::json pre_tokenizer_json(const WordCuts& cuts, bool add_prefix_space);

}  // namespace isthmus::text
