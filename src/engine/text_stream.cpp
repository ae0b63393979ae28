#include "engine/text_stream.h"

namespace isthmus::engine {

TextStream::TextStream(std::shared_ptr<const text::Tokenizer> tokenizer,
                       std::vector<std::string> stop_strings)
    : detokenizer_(std::move(tokenizer)), stop_strings_(std::move(stop_strings)) {}

void TextStream::continue_after(std::span<const int64_t> ids) { detokenizer_.continue_after(ids); }

bool TextStream::push(int64_t token) {
  text_ += stop_strings_.push(detokenizer_.push(token));
  return stop_strings_.stopped();
}

std::string TextStream::take() {
  std::string piece = text_.substr(taken_);
  taken_ = text_.size();
  return piece;
}

void TextStream::finish() {
  text_ += stop_strings_.push(detokenizer_.flush());
  text_ += stop_strings_.flush();
}

}  // namespace isthmus::engine
