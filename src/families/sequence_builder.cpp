#include "families/sequence_builder.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace isthmus::families {
namespace {

// Text ids take the low bits; media rows take the numbers below zero.
constexpr int kIdBits = 24;

int64_t media_row_key(int64_t media_id, int64_t row) { return -1 - ((media_id << kIdBits) | row); }

// A row's hidden state also depends on the medium it reads at depth. `visible`: 0 for none.
int64_t text_row_key(int64_t id, int64_t visible) { return (visible << kIdBits) | id; }

// Builds one sequence, segment by segment.
class Builder {
 public:
  Builder(std::span<const AlignedMedia> media, decoders::LanguageModel& language_model)
      : media_(media), language_model_(language_model) {}

  void add(const TextSegment& text) { add_text(text.ids, text.is_target, text.weight); }

  void add(const MediaSegment& segment) {
    const bool has_input = segment.input != MediaSegment::kNoInput;
    ISTHMUS_CHECK(!has_input || segment.input < media_.size(),
                  "a segment names a medium that was not encoded");
    if (has_input && media_[segment.input].encoded->tokens.defined()) {
      add_soft_tokens(media_[segment.input]);
      return;
    }
    ++markers_;
    if (has_input) {
      sequence_.media.push_back(media_[segment.input].encoded->memory);
      visible_ = media_[segment.input].id + 1;
    } else {
      // Such rows read all media at once, and those all stand before them.
      visible_ = kReadsAll;
    }
    add_text({segment.marker}, false, 1);
  }

  Sequence finish() {
    ISTHMUS_CHECK(!pieces_.empty(), "a prompt has at least one token");
    sequence_.embeddings = torch::cat(pieces_, 0);
    sequence_.visible = visible_;
    return std::move(sequence_);
  }

 private:
  static constexpr int64_t kReadsAll = (int64_t{1} << (62 - kIdBits)) - 1;

  void add_text(const std::vector<int64_t>& ids, bool is_target, float weight) {
    if (ids.empty()) return;
    const Tensor tensor = torch::tensor(ids, torch::kInt64).unsqueeze(0);
    pieces_.push_back(language_model_.embed_tokens(tensor).squeeze(0));
    for (const int64_t id : ids)
      add_row(text_row_key(id, visible_), is_target ? id : kIgnoredLabel, weight);
  }

  void add_soft_tokens(const AlignedMedia& media) {
    pieces_.push_back(media.encoded->tokens);
    for (int64_t row = 0; row < media.encoded->tokens.size(0); ++row)
      add_row(media_row_key(media.id, row), kIgnoredLabel, 1);
  }

  void add_row(int64_t key, int64_t label, float weight) {
    sequence_.row_keys.push_back(key);
    sequence_.labels.push_back(label);
    sequence_.weights.push_back(weight);
    sequence_.media_index.push_back(markers_);
  }

  std::span<const AlignedMedia> media_;
  decoders::LanguageModel& language_model_;
  Sequence sequence_;
  std::vector<Tensor> pieces_;
  int64_t markers_ = 0, visible_ = 0;
};

}  // namespace

int64_t Sequence::key_after(int64_t token, int64_t marker) const {
  return token == marker ? INT64_MIN : text_row_key(token, visible);
}

void Sequence::cut(int64_t rows) {
  if (rows >= length()) return;
  embeddings = embeddings.narrow(0, 0, rows);
  for (std::vector<int64_t>* list : {&row_keys, &labels, &media_index})
    list->resize(static_cast<size_t>(rows));
  weights.resize(static_cast<size_t>(rows));
}

Sequence build_sequence(std::span<const Segment> segments, std::span<const AlignedMedia> media,
                        decoders::LanguageModel& language_model) {
  Builder builder(media, language_model);
  for (const Segment& segment : segments)
    std::visit([&](const auto& part) { builder.add(part); }, segment);
  return builder.finish();
}

Batch pad_batch(std::span<const Sequence> rows, Padding side) {
  int64_t longest = 0, shortest = INT64_MAX;
  for (const Sequence& row : rows) {
    longest = std::max(longest, row.length());
    shortest = std::min(shortest, row.length());
  }
  Batch batch;
  std::vector<Tensor> embeddings, positions, labels, weights;
  bool all_alike = true;
  for (const Sequence& row : rows) {
    const int64_t begin = side == Padding::kLeft ? longest - row.length() : 0;
    const int64_t after = longest - row.length() - begin;
    embeddings.push_back(torch::constant_pad_nd(row.embeddings, {0, 0, begin, after}));
    positions.push_back(
        torch::constant_pad_nd(torch::arange(row.length(), torch::kInt64), {begin, after}));
    labels.push_back(torch::constant_pad_nd(torch::tensor(row.labels, torch::kInt64),
                                            {begin, after}, kIgnoredLabel));
    weights.push_back(
        torch::constant_pad_nd(torch::tensor(at::ArrayRef<float>(row.weights)), {begin, after}));
    all_alike = all_alike && std::ranges::all_of(row.weights, [](float w) { return w == 1; });
    if (shortest != longest) batch.key_ranges.push_back({begin, begin + row.length()});
    std::vector<int64_t> index(static_cast<size_t>(longest), 0);
    std::copy(row.media_index.begin(), row.media_index.end(), index.begin() + begin);
    batch.media.index.push_back(std::move(index));
    batch.media.media.push_back(row.media);
  }
  batch.embeddings = torch::stack(embeddings);
  batch.positions = torch::stack(positions);
  batch.labels = torch::stack(labels);
  if (!all_alike) batch.weights = torch::stack(weights);
  return batch;
}

}  // namespace isthmus::families
