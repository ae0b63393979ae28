// SentencePiece's BPE: the adjacent pair whose joined piece has the highest score merges first.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/sentencepiece_encoder.h"

namespace isthmus::text {

class SentencePieceBpe : public PieceSegmenter {
 public:
  explicit SentencePieceBpe(std::shared_ptr<const SentencePieceModel> model);
  std::vector<Segment> segment(const MarkedText& normalized) const override;

 private:
  class Rule;
  size_t user_defined_length(const MarkedText& text, size_t position) const;

  std::shared_ptr<const SentencePieceModel> model_;
  std::unordered_map<std::string_view, int32_t> pieces_;  // normal, user defined and unused ones
  std::vector<int64_t> ranks_;  // by id; pieces of equal score share a rank
  size_t longest_piece_ = 0;
  size_t longest_user_defined_ = 0;
};

}  // namespace isthmus::text
