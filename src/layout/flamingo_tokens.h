// The vocabulary of a Flamingo: that of its language model and the tokens that were added to it.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "text/tokenizer.h"

namespace isthmus::layout {

inline constexpr std::string_view kEndOfChunk = "<|endofchunk|>";
inline constexpr std::string_view kImage = "<image>";
inline constexpr std::string_view kPad = "<PAD>";

struct FlamingoTokens {
  std::shared_ptr<const text::Tokenizer> tokenizer;  // with the added tokens
  text::TokenId endofchunk, image, pad;
  int64_t base_size;  // before anything was added
  // Rows the embedding is resized to, which may be fewer than the language model's files hold: they
  // pad the vocabulary to a round number.
  int64_t size() const { return static_cast<int64_t>(tokenizer->vocab_size()); }

  // Adds <|endofchunk|> and <image>, in this order, then <PAD> where the tokenizer has no padding
  // token, as the reference's factory does; tokens that are there stay where they are. Throws what
  // Tokenizer::load throws.
  static FlamingoTokens load(const std::filesystem::path& folder);
};

}  // namespace isthmus::layout
