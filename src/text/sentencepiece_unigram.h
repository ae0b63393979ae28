// SentencePiece's unigram model: the segmentation of greatest summed score (Viterbi).          Kudo
// 2018
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/sentencepiece_encoder.h"

namespace isthmus::text {

class SentencePieceUnigram : public PieceSegmenter {
 public:
  explicit SentencePieceUnigram(std::shared_ptr<const SentencePieceModel> model);
  std::vector<Segment> segment(const MarkedText& normalized) const override;

 private:
  std::shared_ptr<const SentencePieceModel> model_;
  std::unordered_map<std::string_view, int32_t> pieces_;  // normal and user defined ones
  size_t longest_piece_ = 0;
  float lowest_score_ = 0, highest_score_ = 0;  // of the normal pieces
};

}  // namespace isthmus::text
