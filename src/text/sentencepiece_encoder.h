// Text to ids with a SentencePiece model: normalisation, segmentation, byte fallback.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/marked_text.h"
#include "text/sentencepiece_model.h"

namespace isthmus::text {

inline constexpr std::string_view kWordBoundary = "\xE2\x96\x81";  // "▁", U+2581

// Cuts normalised text into pieces. The ids of pieces that the model does not have are its unk_id.
// A user-defined piece spelt like markup (<|im_start|>, [PAD]) is only found in trusted text.
class PieceSegmenter {
 public:
  struct Segment {
    std::string_view text;
    int32_t id;
  };
  virtual ~PieceSegmenter() = default;
  virtual std::vector<Segment> segment(const MarkedText& normalized) const = 0;
};

// Equals SentencePieceProcessor::Encode: no special token is ever recognised in the text.
// Immutable.
class SentencePieceEncoder {
 public:
  // `add_dummy_prefix` replaces the model's own flag.
  SentencePieceEncoder(std::shared_ptr<const SentencePieceModel> model, bool add_dummy_prefix);

  // `text` must be valid UTF-8. Appends to `ids`.
  void encode(const MarkedText& text, std::vector<int64_t>& ids) const;

 private:
  MarkedText normalize(const MarkedText& text) const;

  std::shared_ptr<const SentencePieceModel> model_;
  bool add_dummy_prefix_;
  std::unique_ptr<const PieceSegmenter> segmenter_;
  std::vector<int32_t> byte_ids_;  // 256, or empty without byte fallback
};

}  // namespace isthmus::text
