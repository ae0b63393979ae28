// What a model answers about samples it does not learn from: the same ones each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "families/family.h"
#include "recipe/recipe.h"
#include "training/feature_cache.h"

namespace isthmus::training {

// One answer of the data, teacher-forced: the run of tokens that are to be predicted.
struct Answer {
  size_t item = 0;     // which sample
  std::string tag;     // what it is about, where the data say so
  bool exact = false;  // every token is the likeliest: greedy decoding would give it
  int64_t tokens = 0;
  double log_likelihood = 0;  // natural, summed
};

// What stands in the place of the media.
enum class MediaChoice {
  kOwn,
  kShuffled,  // of the next sample with as many
  kBlank,     // zeros, as the encoder sees them
};

// The file of a sample's first picture, to be shown; nothing where there is none, or a large one.
std::vector<std::byte> first_picture(const samples::Sample& sample);
// As much as the stage keeps of what it learns from, or a little where it keeps nothing.
size_t held_out_cache_bytes(const recipe::Stage& stage);

// Reads all samples once and keeps them prepared. Not for several threads.
class HeldOut {
 public:
  // Keeps what a frozen encoder made of the media, `cache_bytes` of it. Throws InputError when no
  // sample of an entry can be used.
  HeldOut(families::Family& family, const recipe::HeldOut& choice, size_t cache_bytes);

  size_t size() const { return entries_.size(); }
  const std::string& name(size_t entry) const { return entries_.at(entry).name; }
  const std::vector<families::Example>& examples(size_t entry) const {
    return entries_.at(entry).examples;
  }
  // Of a frozen encoder; null where it learns. What is measured is the same to the bit either way.
  FeatureCache* features() { return features_.get(); }
  // The file of a sample's first picture, or nothing: to be shown.
  const std::vector<std::byte>& picture(size_t entry, size_t sample) const {
    return entries_.at(entry).pictures.at(sample);
  }
  // Only answers that weigh in fully: not the marks that end them, where those weigh less.
  // `on_answer`: sees of each the logits [tokens, vocabulary] and the ids that are wanted.
  using OnAnswer = std::function<void(const Tensor& logits, const Tensor& wanted)>;
  std::vector<Answer> answers(size_t entry, MediaChoice media = MediaChoice::kOwn,
                              const OnAnswer& on_answer = {});

 private:
  struct Entry {
    std::string name;
    std::vector<families::Example> examples;
    std::vector<std::vector<std::string>> tags;  // of the answers of each
    std::vector<std::vector<std::byte>> pictures;
  };
  families::Family& family_;
  int64_t batch_;
  std::unique_ptr<FeatureCache> features_;
  std::vector<Entry> entries_;
};

struct Tally {
  std::string tag;  // "" for all
  int64_t answers = 0, exact = 0;
  double share() const {
    return answers == 0 ? 0 : static_cast<double>(exact) / static_cast<double>(answers);
  }
};
// All together first, then by tag in order of appearance.
std::vector<Tally> tallies_of(const std::vector<Answer>& answers);

}  // namespace isthmus::training
