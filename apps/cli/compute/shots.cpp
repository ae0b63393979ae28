#include "shots.h"

#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "../progress.h"
#include "engine_subject.h"
#include "eval/dataset.h"
#include "eval/embeddings.h"
#include "eval/feature_cache.h"
#include "eval/shots.h"
#include "isthmus/error.h"

namespace isthmus::cli {
namespace {

void add_pair(std::vector<Message>& messages, const std::filesystem::path& image,
              const std::string& question, const std::string& answer) {
  Message user{"user", {Part::of_image(image)}};
  if (!question.empty()) user.content.push_back(Part::of_text(question));
  messages.push_back(std::move(user));
  messages.push_back({"assistant", {Part::of_text(answer)}});
}

// One spelling for one file: an example with the question's own picture must not be chosen.
std::filesystem::path one_spelling(const std::filesystem::path& file) {
  return std::filesystem::absolute(file).lexically_normal();
}

// FILE=TEXT. A file's name may hold a "=" too, so the first place before which a file exists
// decides.
std::pair<std::filesystem::path, std::string> split_shot(const std::string& shot) {
  const size_t first = shot.find('=');
  if (first == std::string::npos || first == 0)
    throw UsageError(fmt::format("--shot: expected FILE=TEXT, found \"{}\"", shot));
  for (size_t at = first; at != std::string::npos; at = shot.find('=', at + 1)) {
    std::error_code ignored;
    if (std::filesystem::exists(shot.substr(0, at), ignored))
      return {shot.substr(0, at), shot.substr(at + 1)};
  }
  return {shot.substr(0, first), shot.substr(first + 1)};
}

std::vector<eval::Sample> read_examples(const Options& options) {
  const auto& file = options.shots_from;
  eval::Dataset data =
      eval::read_dataset(std::span(&file, 1), {options.shot_images, "train", options.skip_broken});
  std::vector<eval::Sample> samples;
  const std::filesystem::path folder = file.parent_path();
  for (eval::Sample& sample : data.samples) {
    if (!sample.has_answer()) continue;
    // Relative paths of a list of one's own are relative to the list.
    if (sample.image.is_relative() && options.shot_images.empty() &&
        !std::filesystem::exists(sample.image))
      sample.image = folder / sample.image;
    sample.image = one_spelling(sample.image);
    samples.push_back(std::move(sample));
  }
  if (data.broken.count() > 0)
    std::cerr << fmt::format("isthmus: {}: {} entries left out; the first: {}\n", file.string(),
                             data.broken.count(), data.broken.messages().front());
  if (samples.empty())
    throw InputError(fmt::format("{}: holds no example with an answer", file.string()));
  return samples;
}

std::vector<size_t> nearest(const Options& options, std::span<const eval::Sample> samples,
                            const eval::Sample& question, EngineSubject& subject) {
  eval::FeatureCache cache(eval::FeatureCache::default_folder(), subject.fingerprint());
  samples::BrokenEntries broken(options.skip_broken);
  Progress progress("comparing pictures", static_cast<int64_t>(samples.size()));
  int64_t shown = 0;
  eval::EvalCallbacks callbacks;
  callbacks.progress = [&](const eval::EvalProgress& state) {
    progress.advance(state.done - shown);
    shown = state.done;
  };
  constexpr int64_t kBatch = 8;
  eval::compute_embeddings(samples, "pictures", kBatch, subject, cache, broken, callbacks);
  progress.finish();
  const auto own = subject.image_embeddings(std::span(&question.image, 1));
  return eval::NearestShots(samples, eval::embeddings_of(samples, cache))
      .pick(question, own.front(), static_cast<size_t>(options.shots));
}

}  // namespace

void check_shots(const Options& options) {
  if (options.shots_from.empty()) return;
  if (!options.shot.empty())
    throw UsageError("--shot and --shots-from both choose the examples; use one of them");
  if (options.select == "rices" && options.images.empty())
    throw UsageError("--select rices looks for pictures like the question's: give --image");
}

std::vector<Message> given_shots(const Options& options) {
  std::vector<Message> messages;
  for (const std::string& shot : options.shot) {
    const auto [file, text] = split_shot(shot);
    add_pair(messages, file, "", text);
  }
  return messages;
}

std::vector<Message> chosen_shots(const Options& options, const Model& model) {
  const std::vector<eval::Sample> samples = read_examples(options);
  eval::Sample question;
  if (!options.images.empty()) question.image = one_spelling(options.images.front());
  std::vector<Message> messages;
  std::vector<size_t> chosen;
  if (options.select == "rices") {
    EngineSubject subject(model);
    chosen = nearest(options, samples, question, subject);
  } else {
    chosen = eval::RandomShots(samples, options.generate.seed, 0)
                 .pick(question, 0, static_cast<size_t>(options.shots));
  }
  for (const size_t index : chosen) {
    const eval::Sample& sample = samples[index];
    add_pair(messages, sample.image, sample.question, sample.answer());
    if (options.verbose)
      std::cerr << fmt::format("example {}: {}\n", sample.image.string(), sample.answer());
  }
  return messages;
}

}  // namespace isthmus::cli
