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
  float weight = 1;        // by so much, against other targets
};
struct MediaSegment {
  // A marker that stands for no medium: the text after it has nothing of its own to read.
  static constexpr size_t kNoInput = SIZE_MAX;

  size_t input;         // index into the media of the request, or kNoInput
  int64_t marker = -1;  // depth port: the token that stands in the sequence where the medium begins
};
using Segment = std::variant<TextSegment, MediaSegment>;

// Ids, and of each whether it is to be predicted.
struct LabelledIds {
  std::vector<int64_t> ids;
  std::vector<bool> targets;
};

// Adds one id to the last segment, or to a new one where a target follows no target, a target of
// another weight, or a medium.
void append(std::vector<Segment>& segments, int64_t id, bool is_target, float weight = 1);

}  // namespace isthmus::families
