#include "text/stream_detokenizer.h"

namespace isthmus::text {

StreamDetokenizer::StreamDetokenizer(std::shared_ptr<const Tokenizer> tokenizer,
                                     bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)),
      skip_special_tokens_(skip_special_tokens),
      decoder_(tokenizer_->decoder(skip_special_tokens_)) {}

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
