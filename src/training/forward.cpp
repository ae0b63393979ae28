#include "training/forward.h"

#include <utility>

#include "families/sequence_builder.h"

namespace isthmus::training {

std::vector<families::EncodedMedia> encode(families::Family& family,
                                           std::span<const families::Example> batch) {
  std::vector<modalities::Prepared> media;
  for (const families::Example& example : batch)
    media.insert(media.end(), example.media.begin(), example.media.end());
  return family.encode(media, nullptr);
}

Forwarded forward(families::Family& family, std::span<const families::Example> batch) {
  // All media of the batch go through encoder and aligner together.
  return forward(family, batch, encode(family, batch));
}

Forwarded forward(families::Family& family, std::span<const families::Example> batch,
                  std::vector<families::EncodedMedia> media) {
  std::vector<families::Sequence> rows;
  size_t next = 0;
  for (const families::Example& example : batch) {
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
  return {family.language_model().forward(padded.embeddings, context), padded.labels,
          padded.weights, std::move(media)};
}

}  // namespace isthmus::training
