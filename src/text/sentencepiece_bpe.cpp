#include "text/sentencepiece_bpe.h"

#include <algorithm>
#include <numeric>

#include "text/bpe_merge.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {
using PieceType = SentencePieceModel::PieceType;
}

class SentencePieceBpe::Rule : public BpeMergeRule {
 public:
  explicit Rule(const SentencePieceBpe& bpe) : bpe_(bpe) {}

  std::optional<Merge> merge(const BpeSymbol& left, const BpeSymbol& right) override {
    const std::string_view joined(left.text.data(), left.text.size() + right.text.size());
    if (joined.size() > bpe_.longest_piece_) return std::nullopt;
    const auto found = bpe_.pieces_.find(joined);
    if (found == bpe_.pieces_.end()) return std::nullopt;
    const auto id = static_cast<size_t>(found->second);
    const auto& piece = bpe_.model_->pieces[id];
    if (SentencePieceModel::is_markup(piece)) return std::nullopt;
    if (piece.type == PieceType::kUnused) halves_[joined] = {left.text, right.text};
    return Merge{bpe_.ranks_[id], found->second};
  }

  // An unused piece helps others to form but is never output: it falls back into what it was made
  // of.
  void output(std::string_view text, std::vector<Segment>& out) const {
    const auto found = bpe_.pieces_.find(text);
    const int32_t id = found == bpe_.pieces_.end() ? bpe_.model_->unk_id : found->second;
    const auto halves = halves_.find(text);
    if (halves == halves_.end() ||
        bpe_.model_->pieces[static_cast<size_t>(id)].type != PieceType::kUnused) {
      out.push_back({text, id});
      return;
    }
    output(halves->second.first, out);  // as deep as a piece has characters
    output(halves->second.second, out);
  }

 private:
  const SentencePieceBpe& bpe_;
  std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>> halves_;
};

SentencePieceBpe::SentencePieceBpe(std::shared_ptr<const SentencePieceModel> model)
    : model_(std::move(model)) {
  const auto& pieces = model_->pieces;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const PieceType type = pieces[id].type;
    if (type != PieceType::kNormal && type != PieceType::kUserDefined && type != PieceType::kUnused)
      continue;
    pieces_.emplace(pieces[id].text, static_cast<int32_t>(id));
    longest_piece_ = std::max(longest_piece_, pieces[id].text.size());
    if (type == PieceType::kUserDefined)
      longest_user_defined_ = std::max(longest_user_defined_, pieces[id].text.size());
  }
  std::vector<size_t> order(pieces.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return pieces[a].score > pieces[b].score; });
  ranks_.resize(pieces.size());
  for (size_t i = 1; i < order.size(); ++i)
    ranks_[order[i]] =
        ranks_[order[i - 1]] + (pieces[order[i]].score < pieces[order[i - 1]].score ? 1 : 0);
}

// Length of the longest user-defined piece at `position`, 0 if there is none.
size_t SentencePieceBpe::user_defined_length(const MarkedText& marked, size_t position) const {
  const std::string_view text = std::string_view(marked.text).substr(position);
  for (size_t length = std::min(longest_user_defined_, text.size()); length > 0; --length) {
    const auto found = pieces_.find(text.substr(0, length));
    if (found == pieces_.end()) continue;
    const auto& piece = model_->pieces[static_cast<size_t>(found->second)];
    if (piece.type != PieceType::kUserDefined) continue;
    if (!SentencePieceModel::is_markup(piece) || marked.all_trusted(position, position + length))
      return length;
  }
  return 0;
}

std::vector<PieceSegmenter::Segment> SentencePieceBpe::segment(const MarkedText& marked) const {
  const std::string_view normalized = marked.text;
  std::vector<BpeSymbol> symbols;
  symbols.reserve(normalized.size());
  for (size_t i = 0; i < normalized.size();) {
    size_t length = user_defined_length(marked, i);
    const bool frozen = length > 0;
    if (!frozen) length = decode_utf8(normalized, i).length;
    symbols.push_back({normalized.substr(i, length), 0, frozen});
    i += length;
  }
  Rule rule(*this);
  std::vector<Segment> segments;
  for (const BpeSymbol& symbol : bpe_merge(std::move(symbols), rule))
    rule.output(symbol.text, segments);
  return segments;
}

}  // namespace isthmus::text
