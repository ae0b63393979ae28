#include "training/survey.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/data_sets.h"

namespace isthmus::training {
namespace {

constexpr int kSamples = 20;

// Encodes the first medium of each kind and size.
class MediaSizes {
 public:
  explicit MediaSizes(families::Family& family) : family_(family) {}

  const MediumRows& of(const modalities::Prepared& medium) {
    const auto [place, is_new] = known_.try_emplace({medium.modality, medium.shape});
    if (is_new) place->second = measure(medium);
    return place->second;
  }

 private:
  MediumRows measure(const modalities::Prepared& medium) {
    const torch::NoGradGuard no_gradient;
    const auto features = family_.features(std::span(&medium, 1));
    const auto encoded = family_.align(features);
    MediumRows rows;
    rows.tiles = features.front().values.size(0);
    rows.width = features.front().values.size(-1);
    rows.features = features.front().values.numel() / rows.width;
    rows.values = static_cast<int64_t>(medium.values.size());
    rows.in_sequence = encoded.front().memory == nullptr;
    rows.tokens =
        rows.in_sequence ? encoded.front().rows() : encoded.front().memory->latents.size(0);
    return rows;
  }

  families::Family& family_;
  std::map<std::pair<std::string, Shape>, MediumRows> known_;
};

SampleSize size_of(const families::Example& example, MediaSizes& media) {
  SampleSize size;
  for (const families::Segment& segment : example.segments) {
    if (const auto* text = std::get_if<families::TextSegment>(&segment)) {
      const auto count = static_cast<int64_t>(text->ids.size());
      size.rows += count;
      if (text->is_target) size.targets += count;
    } else if (const size_t input = std::get<families::MediaSegment>(segment).input;
               input < example.media.size() && media.of(example.media[input]).in_sequence) {
      size.rows += media.of(example.media[input]).tokens;
    } else {
      ++size.rows;  // a marker
    }
  }
  if (example.max_rows > 0) size.rows = std::min(size.rows, example.max_rows);
  for (const modalities::Prepared& medium : example.media) {
    const MediumRows& rows = media.of(medium);
    ++size.media;
    size.features += rows.features;
    if (!rows.in_sequence) size.latents += rows.tokens;
  }
  return size;
}

void check_template(const families::Family& family, const recipe::DataEntry& entry) {
  try {
    family.check_template(example_options(entry, 0, {}));
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", entry.label(), error.what()));
  }
}

Shown look_at(families::Family& family, const recipe::Stage& stage, samples::Mixture& data,
              size_t entry, MediaSizes& media) {
  Shown shown;
  shown.entry = data.entry(entry).name;
  std::string problem = "no token carries loss";
  std::vector<double> seconds;
  for (int i = 0; i < kSamples; ++i) {
    ++shown.looked_at;
    try {
      const auto start = std::chrono::steady_clock::now();
      DrawnExample drawn = draw_example(family, stage, data, data.next_of(entry));
      seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      const SampleSize size = size_of(drawn.example, media);
      if (size.targets == 0) {
        ++(drawn.example.mismatch ? shown.mismatched : shown.without_loss);
        continue;
      }
      shown.sizes.push_back(size);
      if (shown.sizes.size() > 1) continue;
      shown.sample = std::move(drawn.name);
      shown.example = std::move(drawn.example);
    } catch (const samples::BadSample& error) {
      ++shown.unusable;
      problem = error.what();
    }
  }
  if (shown.sizes.empty() && shown.mismatched > 0 && shown.without_loss == 0)
    throw UsageError(fmt::format(
        "{}: template {} with the tokenizer {}: the turns of none of {} samples can be told apart "
        "(the reference's \"tokenization mismatch\"), so nothing would be learnt. Is it the "
        "template that the text was written for?",
        shown.entry, stage.data[entry].conversation_template, family.tokenizer()->file().string(),
        shown.mismatched));
  if (shown.sizes.empty())
    throw InputError(fmt::format("{}: none of {} samples can be learnt from: {}", shown.entry,
                                 kSamples, problem));
  for (const modalities::Prepared& medium : shown.example.media)
    shown.media.push_back(media.of(medium));
  // By the median: the first sample makes what all others find.
  const auto middle = seconds.begin() + std::ssize(seconds) / 2;
  std::ranges::nth_element(seconds, middle);
  shown.seconds = *middle;
  return shown;
}

}  // namespace

std::vector<Shown> survey(families::Family& family, const recipe::Stage& stage,
                          samples::Mixture& data) {
  for (const recipe::DataEntry& entry : stage.data) check_template(family, entry);
  for (const recipe::DataEntry& entry : stage.held_out.data) check_template(family, entry);
  const samples::MixturePosition start = data.position();
  MediaSizes media(family);
  std::vector<Shown> shown;
  for (size_t e = 0; e < data.size(); ++e) shown.push_back(look_at(family, stage, data, e, media));
  data.go_to(start);
  return shown;
}

}  // namespace isthmus::training
