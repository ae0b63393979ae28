#include "families/sequence_builder.h"

#include <algorithm>

#include "base/check.h"

namespace isthmus::families {
namespace {

// Text ids are not negative; media rows take the numbers below zero.
int64_t media_row_key(int64_t media_id, int64_t row) { return -1 - ((media_id << 24) | row); }

}  // namespace

Sequence build_sequence(std::span<const Segment> segments, std::span<const Tensor> media_tokens,
                        std::span<const int64_t> media_ids,
                        decoders::LanguageModel& language_model) {
  Sequence sequence;
  std::vector<Tensor> pieces;
  for (const Segment& segment : segments) {
    if (const auto* text = std::get_if<TextSegment>(&segment)) {
      if (text->ids.empty()) continue;
      const Tensor ids = torch::tensor(text->ids, torch::kInt64).unsqueeze(0);
      pieces.push_back(language_model.embed_tokens(ids).squeeze(0));
      sequence.row_keys.insert(sequence.row_keys.end(), text->ids.begin(), text->ids.end());
      continue;
    }
    const size_t input = std::get<MediaSegment>(segment).input;
    ISTHMUS_CHECK(input < media_tokens.size(), "a segment names a medium that was not encoded");
    pieces.push_back(media_tokens[input]);
    for (int64_t row = 0; row < media_tokens[input].size(0); ++row)
      sequence.row_keys.push_back(media_row_key(media_ids[input], row));
  }
  ISTHMUS_CHECK(!pieces.empty(), "a prompt has at least one token");
  sequence.embeddings = torch::cat(pieces, 0);
  return sequence;
}

Batch pad_batch(std::span<const Sequence> rows, Padding side) {
  int64_t longest = 0, shortest = INT64_MAX;
  for (const Sequence& row : rows) {
    longest = std::max(longest, row.length());
    shortest = std::min(shortest, row.length());
  }
  Batch batch;
  std::vector<Tensor> embeddings, positions;
  for (const Sequence& row : rows) {
    const int64_t begin = side == Padding::kLeft ? longest - row.length() : 0;
    const int64_t after = longest - row.length() - begin;
    embeddings.push_back(torch::constant_pad_nd(row.embeddings, {0, 0, begin, after}));
    positions.push_back(
        torch::constant_pad_nd(torch::arange(row.length(), torch::kInt64), {begin, after}));
    if (shortest != longest) batch.key_ranges.push_back({begin, begin + row.length()});
  }
  batch.embeddings = torch::stack(embeddings);
  batch.positions = torch::stack(positions);
  return batch;
}

}  // namespace isthmus::families
