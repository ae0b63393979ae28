#include "training/forward.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "families/sequence_builder.h"
#include "training/feature_cache.h"

namespace isthmus::training {
namespace {

std::vector<Forwarded::Range> media_rows(const families::Example& example,
                                         std::span<const families::EncodedMedia> media) {
  std::vector<Forwarded::Range> ranges;
  int64_t at = 0;
  for (const families::Segment& segment : example.segments) {
    if (const auto* text = std::get_if<families::TextSegment>(&segment)) {
      at += static_cast<int64_t>(text->ids.size());
      continue;
    }
    const size_t input = std::get<families::MediaSegment>(segment).input;
    if (input >= media.size() || !media[input].tokens.defined()) {
      ++at;  // a marker
      continue;
    }
    const int64_t rows = media[input].rows();
    const int64_t tag = media[input].routing.defined() ? 1 : 0;  // OneLLM has one on either side
    ranges.push_back({at + tag, at + rows - tag});
    at += rows;
  }
  return ranges;
}

// The first row of any example whose next label counts; 0 where none does.
int64_t first_prediction(std::span<const families::Sequence> rows) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max() - 1;
  int64_t first = kNone;
  for (const families::Sequence& row : rows) {
    for (int64_t i = 1; i < std::min(row.length(), first + 1); ++i) {
      const auto at = static_cast<size_t>(i);
      if (row.labels[at] != families::kIgnoredLabel && row.weights[at] > 0) {
        first = i - 1;
        break;
      }
    }
  }
  return first == kNone ? 0 : first;
}

}  // namespace

std::vector<families::EncodedMedia> encode(families::Family& family,
                                           std::span<const families::Example> batch,
                                           FeatureCache* cache) {
  std::vector<modalities::Prepared> media;
  for (const families::Example& example : batch)
    media.insert(media.end(), example.media.begin(), example.media.end());
  if (cache != nullptr) return family.align(cache->features(media));
  return family.encode(media, nullptr);
}

Forwarded forward(families::Family& family, std::span<const families::Example> batch) {
  // All media of the batch go through encoder and aligner together.
  return forward(family, batch, encode(family, batch));
}

Forwarded forward(families::Family& family, std::span<const families::Example> batch,
                  std::vector<families::EncodedMedia> media, const ForwardOptions& options) {
  std::vector<families::Sequence> rows;
  std::vector<std::vector<Forwarded::Range>> ranges;
  size_t next = 0;
  for (const families::Example& example : batch) {
    ranges.push_back(media_rows(example, std::span(media).subspan(next, example.media.size())));
    std::vector<families::AlignedMedia> aligned;
    for (size_t i = 0; i < example.media.size(); ++i, ++next)
      aligned.push_back({&media.at(next), static_cast<int64_t>(next)});
    rows.push_back(families::build_sequence(example.segments, aligned, family.language_model()));
    if (example.max_rows > 0) rows.back().cut(example.max_rows);
  }
  const families::Batch padded = families::pad_batch(rows, families::Padding::kRight);
  nn::ForwardContext context;
  context.positions = padded.positions;
  context.key_ranges = padded.key_ranges;
  context.hook = family.block_hook();
  context.media = context.hook != nullptr ? &padded.media : nullptr;
  context.probe = options.probe;
  context.recomputes_blocks = options.gradient_checkpointing;
  if (options.rows == Rows::kFromFirstPrediction) context.first_row = first_prediction(rows);
  const auto come_out = [&](const Tensor& all) {
    return all.defined() ? all.slice(1, context.first_row) : all;
  };
  return {family.language_model().forward(padded.embeddings, context), come_out(padded.labels),
          come_out(padded.weights), std::move(media), std::move(ranges)};
}

}  // namespace isthmus::training
