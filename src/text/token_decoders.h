// The decoders of tokenizer.json as a chain of streaming stages, and the clean-up of transformers.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json_view.h"
#include "text/tokenizer.h"

namespace isthmus::text {

// One stage takes the tokens of the stage before it and passes tokens on.
class DecoderStage {
 public:
  virtual ~DecoderStage() = default;
  virtual void token(std::string_view token) = 0;
  virtual void finish() { next->finish(); }
  // What becomes of a token within a text, where the stage knows it of the token alone.
  virtual std::string alone(std::string_view token) const { return std::string(token); }

  DecoderStage* next = nullptr;
};

// The stages a `decoder` entry describes, without state: a recipe for chains.
class DecoderRecipe {
 public:
  // No decoder at all: tokens joined by spaces.
  DecoderRecipe();
  // UnsupportedError names the type it does not know.
  static DecoderRecipe parse(const JsonView& json);
  // What transformers gives the fast tokenizer of a tokenizer.model.
  static DecoderRecipe sentencepiece();
  ~DecoderRecipe();
  DecoderRecipe(const DecoderRecipe&);
  DecoderRecipe& operator=(const DecoderRecipe&);

  // Decodes the pieces of `table`.
  std::unique_ptr<IncrementalDecoder> start(const TokenTable& table,
                                            bool skip_special_tokens) const;
  // What `piece` spells within a text, which may be a part of a character.
  std::string bytes_of(std::string_view piece) const;

 private:
  struct Steps;
  std::shared_ptr<const Steps> steps_;
};

// Removes the spaces before . ? ! , n't 'm 's 've 're and around a lone ' if `enabled`.
std::unique_ptr<IncrementalDecoder> with_clean_up(std::unique_ptr<IncrementalDecoder> decoder,
                                                  bool enabled);

}  // namespace isthmus::text
