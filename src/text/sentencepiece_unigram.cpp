#include "text/sentencepiece_unigram.h"

#include <algorithm>

#include "text/utf8.h"

namespace isthmus::text {

namespace {
constexpr float kUnknownPenalty = 10.0f;      // unigram_model.cc
constexpr float kUserDefinedHandicap = 0.1f;  // keeps a user-defined piece above any split of it
}  // namespace

SentencePieceUnigram::SentencePieceUnigram(std::shared_ptr<const SentencePieceModel> model)
    : model_(std::move(model)) {
  bool first = true;
  for (size_t id = 0; id < model_->pieces.size(); ++id) {
    const auto& piece = model_->pieces[id];
    const bool normal = piece.type == SentencePieceModel::PieceType::kNormal;
    if (!normal && piece.type != SentencePieceModel::PieceType::kUserDefined) continue;
    pieces_.emplace(piece.text, static_cast<int32_t>(id));
    longest_piece_ = std::max(longest_piece_, piece.text.size());
    if (!normal) continue;
    lowest_score_ = first ? piece.score : std::min(lowest_score_, piece.score);
    highest_score_ = first ? piece.score : std::max(highest_score_, piece.score);
    first = false;
  }
}

std::vector<PieceSegmenter::Segment> SentencePieceUnigram::segment(const MarkedText& marked) const {
  const std::string_view normalized = marked.text;
  struct Best {
    float score = 0;
    size_t begin = std::string_view::npos;  // of the piece that ends here
    int32_t id = 0;
  };
  std::vector<Best> best(normalized.size() + 1);
  for (size_t begin = 0; begin < normalized.size();) {
    const size_t first_char = decode_utf8(normalized, begin).length;
    const float so_far = best[begin].score;
    const auto offer = [&](size_t end, float score, int32_t id) {
      if (best[end].begin == std::string_view::npos || so_far + score > best[end].score)
        best[end] = {so_far + score, begin, id};
    };
    bool known_char = false;
    const size_t limit = std::min(longest_piece_, normalized.size() - begin);
    for (size_t length = 1; length <= limit; ++length) {
      const auto found = pieces_.find(normalized.substr(begin, length));
      if (found == pieces_.end()) continue;
      const auto& piece = model_->pieces[static_cast<size_t>(found->second)];
      if (SentencePieceModel::is_markup(piece) && !marked.all_trusted(begin, begin + length))
        continue;
      const bool user_defined = piece.type == SentencePieceModel::PieceType::kUserDefined;
      offer(begin + length,
            user_defined ? static_cast<float>(length) * highest_score_ - kUserDefinedHandicap
                         : piece.score,
            found->second);
      known_char = known_char || length == first_char;
    }
    if (!known_char) offer(begin + first_char, lowest_score_ - kUnknownPenalty, model_->unk_id);
    begin += first_char;
  }
  std::vector<Segment> segments;
  for (size_t end = normalized.size(); end > 0; end = best[end].begin)
    segments.push_back({normalized.substr(best[end].begin, end - best[end].begin), best[end].id});
  std::reverse(segments.begin(), segments.end());
  return segments;
}

}  // namespace isthmus::text
