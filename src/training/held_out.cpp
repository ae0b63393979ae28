#include "training/held_out.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "isthmus/error.h"
#include "samples/mixture.h"
#include "training/data_sets.h"
#include "training/forward.h"

namespace isthmus::training {
namespace {

constexpr float kFull = .999f;  // of a weight: shares are float32

// Runs of tokens that count in full, [begin, end) among the rows of the assembled sequence.
struct Run {
  int64_t begin, end;
};

std::vector<Run> runs_of(const Tensor& labels, const Tensor& weights) {
  std::vector<Run> runs;
  const auto label = labels.accessor<int64_t, 1>();
  for (int64_t i = 1; i < labels.size(0); ++i) {
    const bool counts = label[i] >= 0 && (!weights.defined() || weights[i].item<float>() >= kFull);
    if (!counts) continue;
    if (runs.empty() || runs.back().end != i) runs.push_back({i, i});
    runs.back().end = i + 1;
  }
  return runs;
}

// The media of the next example that has as many; its own where there is none.
std::vector<families::Example> shuffled(const std::vector<families::Example>& examples) {
  std::vector<families::Example> out = examples;
  for (size_t i = 0; i < examples.size(); ++i)
    for (size_t d = 1; d < examples.size(); ++d) {
      const families::Example& other = examples[(i + d) % examples.size()];
      if (other.media.size() != examples[i].media.size()) continue;
      out[i].media = other.media;
      break;
    }
  return out;
}

std::vector<families::Example> blank(std::vector<families::Example> examples) {
  for (families::Example& example : examples)
    for (modalities::Prepared& medium : example.media) std::ranges::fill(medium.values, 0.0f);
  return examples;
}

}  // namespace

std::vector<std::byte> first_picture(const samples::Sample& sample) {
  constexpr uintmax_t kLargest = 400'000;
  for (const auto* parts : {&sample.media, &sample.document})
    for (const Part& part : *parts) {
      if (part.type != Part::Type::kMedia || part.modality != "image") continue;
      if (part.path.empty()) return part.data;
      std::error_code error;
      if (std::filesystem::file_size(part.path, error) > kLargest || error) return {};
      const std::string bytes = read_file(part.path);
      const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
      return {begin, begin + bytes.size()};
    }
  return {};
}

size_t held_out_cache_bytes(const recipe::Stage& stage) {
  constexpr int64_t kDefaultMb = 64;
  return static_cast<size_t>(stage.cache_mb > 0 ? stage.cache_mb : kDefaultMb) << 20;
}

HeldOut::HeldOut(families::Family& family, const recipe::HeldOut& choice, size_t cache_bytes)
    : family_(family), batch_(choice.batch) {
  if (!encoder_learns(family))
    features_ = std::make_unique<FeatureCache>(family, FeatureCacheOptions{cache_bytes, {}});
  for (const recipe::DataEntry& entry : choice.data) {
    const auto data = open_data_set(entry);
    Entry& own = entries_.emplace_back();
    own.name = entry.label();
    const auto wanted = static_cast<size_t>(choice.samples);
    std::string problem = "it is empty";
    for (size_t i = 0; i < data->size() && own.examples.size() < wanted; ++i) {
      try {
        const samples::Sample sample = data->at(i);
        own.examples.push_back(
            family.example(sample, example_options(entry, 0, {0, static_cast<uint64_t>(i), i})));
        own.tags.push_back(sample.tags);
        own.pictures.push_back(first_picture(sample));
      } catch (const samples::BadSample& error) {
        problem = error.what();
      }
    }
    if (own.examples.empty())
      throw InputError(fmt::format("held_out: {}: no sample can be used: {}", own.name, problem));
  }
}

std::vector<Answer> HeldOut::answers(size_t at, MediaChoice media, const OnAnswer& on_answer) {
  const torch::NoGradGuard no_gradient;
  const Entry& entry = entries_.at(at);
  const std::vector<families::Example> changed =
      media == MediaChoice::kOwn        ? std::vector<families::Example>{}
      : media == MediaChoice::kShuffled ? shuffled(entry.examples)
                                        : blank(entry.examples);
  const std::vector<families::Example>& examples = changed.empty() ? entry.examples : changed;
  std::vector<Answer> answers;
  for (size_t begin = 0; begin < examples.size(); begin += static_cast<size_t>(batch_)) {
    const auto batch = std::span(examples).subspan(
        begin, std::min(static_cast<size_t>(batch_), examples.size() - begin));
    const Forwarded found = forward(family_, batch, encode(family_, batch, features_.get()));
    for (size_t b = 0; b < batch.size(); ++b) {
      const auto row = static_cast<int64_t>(b);
      const Tensor labels = found.labels[row];
      const auto runs = runs_of(labels, found.weights.defined() ? found.weights[row] : Tensor());
      const auto& tags = entry.tags[begin + b];
      for (size_t r = 0; r < runs.size(); ++r) {
        const int64_t length = runs[r].end - runs[r].begin;
        const Tensor logits =
            family_.language_model().logits(found.hidden[row].narrow(0, runs[r].begin - 1, length));
        const Tensor wanted = labels.narrow(0, runs[r].begin, length);
        if (on_answer) on_answer(logits, wanted);
        Answer& answer = answers.emplace_back();
        answer.item = begin + b;
        if (r < tags.size()) answer.tag = tags[r];
        answer.tokens = length;
        answer.exact = torch::equal(logits.argmax(-1), wanted);
        answer.log_likelihood = torch::log_softmax(logits.to(torch::kDouble), -1)
                                    .gather(1, wanted.unsqueeze(1))
                                    .sum()
                                    .item<double>();
      }
    }
  }
  return answers;
}

std::vector<Tally> tallies_of(const std::vector<Answer>& answers) {
  std::vector<Tally> tallies(1);
  for (const Answer& answer : answers) {
    const auto count = [&](Tally& tally) {
      ++tally.answers;
      tally.exact += answer.exact ? 1 : 0;
    };
    count(tallies.front());
    if (answer.tag.empty()) continue;
    auto own = std::ranges::find(tallies.begin() + 1, tallies.end(), answer.tag, &Tally::tag);
    if (own == tallies.end()) {
      tallies.push_back({answer.tag});
      own = std::prev(tallies.end());
    }
    count(*own);
  }
  return tallies;
}

}  // namespace isthmus::training
