#include "training/data_sets.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/rng.h"
#include "isthmus/error.h"
#include "samples/caption_folder.h"
#include "samples/conversations.h"
#include "samples/modality_captions.h"
#include "samples/shards.h"
#include "training/world_data.h"

namespace isthmus::training {
namespace {

int64_t whole_batch(const recipe::Stage& stage, size_t entry, bool mixes) {
  const int64_t own = mixes ? 0 : stage.data[entry].batch;
  return own > 0 ? own : stage.batch;
}

}  // namespace

std::shared_ptr<const samples::DataSet> open_data_set(const recipe::DataEntry& entry) {
  if (entry.type == "world") return open_world(entry);
  const samples::InterleavedOptions pages{.min_kb = static_cast<size_t>(entry.min_kb)};
  if (entry.type == "captions") return samples::open_caption_folder(entry.path);
  if (entry.type == "pairs")
    return samples::open_shards(entry.path, samples::ShardKind::kPairs, pages);
  if (entry.type == "interleaved")
    return samples::open_shards(entry.path, samples::ShardKind::kInterleaved, pages);
  if (entry.type == "modality_captions")
    return samples::open_modality_captions(entry.path, {entry.modality, entry.media});
  return samples::open_conversations(entry.path, {entry.media, entry.modality});
}

std::unique_ptr<samples::Mixture> open_mixture(const recipe::Stage& stage, samples::Share share) {
  std::vector<samples::MixtureEntry> entries;
  for (size_t e = 0; e < stage.data.size(); ++e) {
    const recipe::DataEntry& entry = stage.data[e];
    const int64_t batch = whole_batch(stage, e, false);
    if (batch % static_cast<int64_t>(share.world) != 0)
      throw UsageError(fmt::format("stage {}: {} processes cannot share a batch of {}", stage.name,
                                   share.world, batch));
    entries.push_back({entry.label(), open_data_set(entry), entry.weight,
                       entry.order, static_cast<size_t>(batch),
                       static_cast<size_t>(stage.accumulation)});
  }
  return std::make_unique<samples::Mixture>(std::move(entries), stage.seed, share);
}

families::ExampleOptions example_options(const recipe::DataEntry& entry, uint64_t seed,
                                         const samples::Mixture::Drawn& drawn) {
  families::ExampleOptions options;
  options.conversation_template = entry.conversation_template;
  options.max_length = entry.max_length;
  options.min_media = entry.min_media;
  options.max_media = entry.max_media;
  options.similarity_threshold = entry.similarity_threshold;
  options.in_page_order = entry.in_page_order;
  options.random = [rng = Rng((seed + drawn.entry) * 0x9e3779b97f4a7c15ull + drawn.place)]() mutable {
    return rng.uniform();
  };
  return options;
}

DrawnExample draw_example(const families::Family& family, const recipe::Stage& stage,
                          const samples::Mixture& data, const samples::Mixture::Drawn& drawn) {
  const samples::Sample sample = data.entry(drawn.entry).data->at(drawn.index);
  return {sample.name,
          family.example(sample, example_options(stage.data[drawn.entry], stage.seed, drawn))};
}

size_t own_batch(const recipe::Stage& stage, size_t entry, bool mixes, samples::Share share) {
  return static_cast<size_t>(whole_batch(stage, entry, mixes)) / share.world;
}

}  // namespace isthmus::training
