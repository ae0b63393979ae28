// A prompt or training example before any tensor exists: text, with media in their places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace isthmus::families {

struct TextSegment {
  std::vector<int64_t> ids;
  bool is_target = false;  // contributes to the loss
};
struct MediaSegment {
  // A marker that stands for no medium: the text after it has nothing of its own to read.
  static constexpr size_t kNoInput = SIZE_MAX;

  size_t input;         // index into the media of the request, or kNoInput
  int64_t marker = -1;  // depth port: the token that stands in the sequence where the medium begins
};
using Segment = std::variant<TextSegment, MediaSegment>;

}  // namespace isthmus::families
