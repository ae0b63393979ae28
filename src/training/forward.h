// Examples through encoder, aligner and language model.
#pragma once

#include <span>
#include <vector>

#include "families/family.h"

namespace isthmus::training {
using torch::Tensor;

// A batch behind the language model's final norm. Rows are padded on the right.
struct Forwarded {
  Tensor hidden;   // [batch, seq, hidden_size]
  Tensor labels;   // [batch, seq], families::kIgnoredLabel where nothing is predicted
  Tensor weights;  // [batch, seq], or undefined: all targets count alike
  std::vector<families::EncodedMedia> media;  // of all examples, in order
  // Where soft tokens stand in the rows of each example, tags around them left out.
  struct Range {
    int64_t begin, end;
  };
  std::vector<std::vector<Range>> media_rows;
};

Forwarded forward(families::Family& family, std::span<const families::Example> batch);
class FeatureCache;
// The same with the media already encoded, or others in their places, in order.
Forwarded forward(families::Family& family, std::span<const families::Example> batch,
                  std::vector<families::EncodedMedia> media, nn::Probe* probe = nullptr);
// `cache`: of a frozen encoder, or null.
std::vector<families::EncodedMedia> encode(families::Family& family,
                                           std::span<const families::Example> batch,
                                           FeatureCache* cache = nullptr);

}  // namespace isthmus::training
