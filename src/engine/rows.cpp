#include "engine/rows.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace isthmus::engine {

using families::LateMarker;

namespace {

// Rows of all sequences that one pass of a prefill takes: a picture and its question go as one.
// With more the temporaries of a 7B model (11008 floats a row) pass the 32 MB up to which freed
// memory is kept (nn/allocation.h), and are cleared page by page at every use: 30 % of four such
// prompts.
constexpr int64_t kRowsAtOnce = 704;

}  // namespace

Rows::Rows(families::Family& family, std::span<const families::Sequence> sequences,
           std::shared_ptr<nn::KvCache> cache, LateMarker late_marker, int64_t decode_overlap)
    : family_(family),
      cache_(std::move(cache)),
      late_marker_(late_marker),
      decode_overlap_(decode_overlap) {
  families::Batch batch = families::pad_batch(sequences, families::Padding::kLeft);
  const int64_t cached = cache_->length(), longest = batch.embeddings.size(1);
  ISTHMUS_CHECK(cached == 0 || sequences.size() == 1, "only a single sequence has a known prefix");
  ISTHMUS_CHECK(cached < longest, "the last position is always computed");
  embeddings_ = batch.embeddings.slice(1, cached);
  positions_ = batch.positions.slice(1, cached);
  padded_ = !batch.key_ranges.empty();
  media_ = std::move(batch.media);
  for (size_t row = 0; row < sequences.size(); ++row) {
    padding_.push_back(longest - sequences[row].length());
    lengths_.push_back(sequences[row].length());
    markers_so_far_.push_back(media_.index[row].back());
    media_.index[row].erase(media_.index[row].begin(), media_.index[row].begin() + cached);
  }
}

Tensor Rows::forward(const Tensor& embeddings, const Tensor& positions, nn::Probe* probe,
                     int64_t first_row) {
  nn::ForwardContext context;
  context.positions = positions;
  context.cache = cache_.get();
  context.hook = family_.block_hook();
  context.media = context.hook != nullptr ? &media_ : nullptr;
  context.probe = probe;
  context.first_row = first_row;
  if (padded_) {
    const int64_t end = cache_->length() + embeddings.size(1);
    for (const int64_t begin : padding_) context.key_ranges.push_back({std::min(begin, end), end});
  }
  return family_.language_model().forward(embeddings, context);
}

Tensor Rows::prefill(nn::Probe* probe) {
  const int64_t positions = embeddings_.size(1), at_once = positions_at_once(probe != nullptr);
  const auto index = std::exchange(media_.index, {});
  Tensor hidden;
  for (int64_t first = 0; first < positions; first += at_once) {
    const int64_t wanted = std::min(at_once, positions - first);
    media_.index.clear();
    for (const std::vector<int64_t>& row : index)
      media_.index.emplace_back(row.begin() + first, row.begin() + first + wanted);
    // Nobody but a probe looks at what the last block makes of the other rows.
    hidden = forward(embeddings_.narrow(1, first, wanted).contiguous(),
                     positions_.narrow(1, first, wanted), probe, probe == nullptr ? wanted - 1 : 0);
  }
  embeddings_ = Tensor();
  cache_->truncate(cache_->length() - decode_overlap_);
  for (int64_t& length : lengths_) length -= decode_overlap_;
  return hidden;
}

// Equal shares of a prompt, as many positions as keep a pass within kRowsAtOnce. A probe sees all
// of them together, and so do keys that depend on the length of the whole.
int64_t Rows::positions_at_once(bool probed) const {
  const int64_t positions = embeddings_.size(1);
  if (probed || !family_.reuses_prefix()) return positions;
  const int64_t most = std::max<int64_t>(kRowsAtOnce / count(), 1);
  const int64_t passes = (positions + most - 1) / most;
  return (positions + passes - 1) / passes;
}

// Which medium each of the new tokens reads, and what a marker among them changes.
void Rows::note_markers(std::span<const int64_t> tokens, int64_t per_row) {
  const int64_t marker = family_.media_marker();
  const bool resets = late_marker_ == LateMarker::kResets &&
                      std::find(tokens.begin(), tokens.end(), marker) != tokens.end();
  for (size_t row = 0; row < lengths_.size(); ++row) {
    int64_t count = resets ? 0 : markers_so_far_[row];
    std::vector<int64_t>& index = media_.index[row];
    index.clear();
    for (int64_t i = 0; i < per_row; ++i) {
      const int64_t token = tokens[row * static_cast<size_t>(per_row) + static_cast<size_t>(i)];
      if (token == marker && late_marker_ != LateMarker::kIgnored) ++count;
      index.push_back(count);
    }
    markers_so_far_[row] = count;
  }
}

Tensor Rows::step(std::span<const int64_t> tokens, nn::Probe* probe) {
  const int64_t rows = count(), per_row = static_cast<int64_t>(tokens.size()) / rows;
  ISTHMUS_CHECK(per_row > 0 && per_row * rows == static_cast<int64_t>(tokens.size()),
                "the same number of tokens for every row");
  note_markers(tokens, per_row);
  const Tensor first = torch::tensor(lengths_, torch::kInt64).unsqueeze(1);
  const Tensor positions = first + torch::arange(per_row, torch::kInt64);
  const Tensor ids =
      torch::tensor(at::ArrayRef<int64_t>(tokens.data(), tokens.size()), torch::kInt64)
          .view({rows, per_row});
  for (int64_t& length : lengths_) length += per_row;
  return forward(family_.language_model().embed_tokens(ids), positions, probe);
}

void Rows::retract(int64_t count) {
  cache_->truncate(cache_->length() - count);
  for (int64_t& length : lengths_) length -= count;
}

void Rows::reorder(std::span<const int64_t> parents) {
  cache_->reorder(
      torch::tensor(at::ArrayRef<int64_t>(parents.data(), parents.size()), torch::kInt64));
  const auto take = [&](auto& values) {
    auto taken = values;
    taken.clear();
    for (const int64_t parent : parents) taken.push_back(values[static_cast<size_t>(parent)]);
    values = std::move(taken);
  };
  take(padding_);
  take(lengths_);
  take(media_.media);
  take(media_.index);
  // Quirk: the reference reorders keys and values of its beams but not the markers it has noted.
  if (markers_so_far_.size() != parents.size()) take(markers_so_far_);
}

Rows Rows::repeated(std::span<const int64_t> parents) const {
  Rows copy = *this;
  // What lies behind the positions in use is nobody's, so memory may be shared until it moves.
  copy.cache_ = std::make_shared<nn::KvCache>(*cache_);
  copy.reorder(parents);
  return copy;
}

Tensor Rows::all_logits(const Tensor& hidden) {
  return family_.language_model().logits(hidden).detach().contiguous();
}

Tensor Rows::last_logits(const Tensor& hidden) {
  return family_.language_model()
      .logits(hidden.select(1, hidden.size(1) - 1))
      .detach()
      .contiguous();
}

}  // namespace isthmus::engine
