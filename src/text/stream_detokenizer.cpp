#include "text/stream_detokenizer.h"

#include <utility>

namespace isthmus::text {

StreamDetokenizer::StreamDetokenizer(std::shared_ptr<const Tokenizer> tokenizer,
                                     bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)),
      skip_special_tokens_(skip_special_tokens),
      decoder_(tokenizer_->decoder(skip_special_tokens_)) {}

// One token takes a decoder past its beginning. Bytes of half a character do not: they would be
// held, and shown later.
void StreamDetokenizer::continue_after(std::span<const TokenId> ids) {
  for (size_t end = ids.size(); end > 0; --end) {
    auto decoder = tokenizer_->decoder(skip_special_tokens_);
    std::string out;
    decoder->push(ids[end - 1], out);
    if (out.empty()) continue;
    decoder_ = std::move(decoder);
    return;
  }
}

std::string StreamDetokenizer::push(TokenId id) {
  std::string out;
  decoder_->push(id, out);
  return out;
}

std::string StreamDetokenizer::flush() {
  std::string out;
  decoder_->finish(out);
  decoder_ = tokenizer_->decoder(skip_special_tokens_);
  return out;
}

}  // namespace isthmus::text
