// The normalizers and pre-tokenizers of tokenizer.json.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json_view.h"
#include "text/marked_text.h"

namespace isthmus::text {

// Immutable.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(MarkedText& text) const = 0;

  // Types Sequence, Prepend, Replace (of a string), NFC; UnsupportedError names any other.
  static std::shared_ptr<const Normalizer> parse(const JsonView& json);
  // "▁" in front and for every space: what transformers gives the fast tokenizer of a
  // tokenizer.model.
  static std::shared_ptr<const Normalizer> sentencepiece();
};

// Immutable.
class PreTokenizer {
 public:
  struct Word {
    std::string text;
    bool at_start;  // begins where the whole text begins
  };
  virtual ~PreTokenizer() = default;
  virtual std::vector<Word> apply(std::vector<Word> words) const = 0;

  // Types Sequence, Metaspace, ByteLevel, Digits, Split; UnsupportedError names any other.
  static std::shared_ptr<const PreTokenizer> parse(const JsonView& json);
};

}  // namespace isthmus::text
