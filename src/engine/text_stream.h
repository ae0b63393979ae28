// The text of one answer while it is generated.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/stop_strings.h"
#include "text/stream_detokenizer.h"
#include "text/tokenizer.h"

namespace isthmus::engine {

// Feeds tokens to the detokenizer and looks for stop strings; holds back what may still become one.
// Belongs to one answer.
class TextStream {
 public:
  TextStream(std::shared_ptr<const text::Tokenizer> tokenizer,
             std::vector<std::string> stop_strings);
  // As of text::StreamDetokenizer.
  void continue_after(std::span<const int64_t> ids);
  // True when a stop string is complete.
  bool push(int64_t token);
  // Text that became certain since the last call.
  std::string take();
  // The rest, when no more tokens come.
  void finish();
  const std::string& text() const { return text_; }
  // The stop string that was completed.
  const std::optional<std::string>& stopped_by() const { return stop_strings_.match(); }

 private:
  text::StreamDetokenizer detokenizer_;
  text::StopStrings stop_strings_;
  std::string text_;
  size_t taken_ = 0;
};

}  // namespace isthmus::engine
