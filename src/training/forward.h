// Examples through encoder, aligner and language model.
#pragma once

#include <span>
#include <vector>

#include "families/family.h"

namespace isthmus::training {
using torch::Tensor;

// Which rows of a batch come out: from the first on that predicts something in any example, the
// last block of the language model computes no others.
enum class Rows { kAll, kFromFirstPrediction };

// A batch behind the language model's final norm. Rows are padded on the right.
struct Forwarded {
  Tensor hidden;   // [batch, seq, hidden_size], seq of the rows that come out
  Tensor labels;   // [batch, seq], families::kIgnoredLabel where nothing is predicted
  Tensor weights;  // [batch, seq], or undefined: all targets count alike
  std::vector<families::EncodedMedia> media;  // of all examples, in order
  // Where soft tokens stand among all rows of each example, tags around them left out.
  struct Range {
    int64_t begin, end;
  };
  std::vector<std::vector<Range>> media_rows;
};

struct ForwardOptions {
  nn::Probe* probe = nullptr;
  Rows rows = Rows::kAll;
  // Blocks of the language model keep only what enters them. Not together with a probe that looks
  // into them.
  bool gradient_checkpointing = false;
};

Forwarded forward(families::Family& family, std::span<const families::Example> batch);
class FeatureCache;
// The same with the media already encoded, or others in their places, in order.
Forwarded forward(families::Family& family, std::span<const families::Example> batch,
                  std::vector<families::EncodedMedia> media, const ForwardOptions& options = {});
// `cache`: of a frozen encoder, or null.
std::vector<families::EncodedMedia> encode(families::Family& family,
                                           std::span<const families::Example> batch,
                                           FeatureCache* cache = nullptr);

}  // namespace isthmus::training
