// Generated ids to text while they are generated.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "text/tokenizer.h"

namespace isthmus::text {

// Returns only complete characters; everything returned by push() and flush(), joined, equals
// tokenizer.decode() of all ids. For one thread.
class StreamDetokenizer {
 public:
  explicit StreamDetokenizer(std::shared_ptr<const Tokenizer> tokenizer,
                             bool skip_special_tokens = true);

  // Before the first push(): the text stands behind these ids, so that a space at its very
  // beginning is part of it.
  void continue_after(std::span<const TokenId> ids);
  std::string push(TokenId id);
  // The rest, when no more ids come. Afterwards the object starts afresh.
  std::string flush();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_tokens_;
  std::unique_ptr<IncrementalDecoder> decoder_;
};

}  // namespace isthmus::text
