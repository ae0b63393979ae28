// The world as data sets: what each kind yields is what its family learns from.
#include "training/world_data.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "error_message.h"
#include "families/flamingo/start.h"
#include "isthmus/error.h"
#include "small_llava.h"
#include "training/data_sets.h"
#include "training/fresh_parts.h"
#include "world/examples.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;
using samples::Sample;

recipe::DataEntry entry_of(const std::string& kind, const std::string& modality = "image",
                           const std::string& split = "train") {
  recipe::DataEntry entry;
  entry.type = "world";
  entry.kind = kind;
  entry.modality = modality;
  entry.split = split;
  entry.side = 32;
  entry.samples = 500;
  return entry;
}

std::string text_of(const Sample& sample) {
  std::string text = sample.name + "\n";
  for (const auto& turn : sample.turns) text += turn.role + ": " + turn.text + "\n";
  for (const Part& part : sample.document) text += part.text + "|";
  for (const std::string& tag : sample.tags) text += "#" + tag;
  return text;
}

std::vector<std::vector<std::byte>> media_of(const Sample& sample) {
  std::vector<std::vector<std::byte>> media;
  for (const auto* parts : {&sample.media, &sample.document})
    for (const Part& part : *parts)
      if (part.type == Part::Type::kMedia) {
        EXPECT_FALSE(part.data.empty());
        media.push_back(part.data);
        media.push_back(part.rgb_data);
      }
  return media;
}

// The same sample whenever and by whomever it is asked for, with weights and tags in their places.
void expect_sound(const recipe::DataEntry& entry, size_t count) {
  const auto data = open_world(entry), again = open_world(entry);
  EXPECT_EQ(data->size(), 500u);
  EXPECT_EQ(data->fingerprint(), again->fingerprint());
  for (size_t i = 0; i < count; ++i) {
    const Sample sample = data->at(i), same = again->at(i);
    EXPECT_EQ(text_of(sample), text_of(same));
    EXPECT_EQ(sample.weights, same.weights);
    EXPECT_EQ(media_of(sample), media_of(same));
    EXPECT_TRUE(sample.weights.empty() || sample.weights.size() == sample.document.size());
    EXPECT_NE(sample.document.empty(), sample.turns.empty()) << sample.name;
    EXPECT_NE(text_of(data->at(i + 1)), text_of(sample));
  }
}

families::Example example_of(const families::Family& family, const recipe::DataEntry& entry,
                             const Sample& sample, size_t index) {
  return family.example(sample, example_options(entry, 0, {0, index, index}));
}

// Runs of targets that count in full.
size_t answers_in(const families::Example& example) {
  size_t count = 0;
  for (const families::Segment& segment : example.segments)
    if (const auto* text = std::get_if<families::TextSegment>(&segment))
      count += text->is_target && text->weight > .999f ? 1 : 0;
  return count;
}

bool is_usable(const families::Example& example) {
  bool targets = false;
  for (const families::Segment& segment : example.segments)
    if (const auto* text = std::get_if<families::TextSegment>(&segment))
      targets = targets || (text->is_target && !text->ids.empty());
  return targets;
}

// A language model that knows the words of the world.
std::shared_ptr<families::Family> fresh_reader() {
  recipe::FreshLanguageModel model;
  model.pieces = fs::path(ISTHMUS_SOURCE_DIR) / "recipes/demo/words.txt";
  model.hidden_size = 16;
  model.intermediate_size = 16;
  model.layers = 1;
  model.heads = 2;
  const fs::path folder = fresh_folder("world_reader");
  write_language_model(model, 1, folder);
  return families::load_family(folder.string(), "", "", {});
}

TEST(WorldData, ALanguageModelReadsItsTexts) {
  const auto family = fresh_reader();
  for (const char* kind : {"chat", "rows", "names"}) {
    const recipe::DataEntry entry = entry_of(kind);
    expect_sound(entry, 6);
    const auto data = open_data_set(entry);
    size_t tagged = 0;
    for (size_t i = 0; i < 24; ++i) {
      const Sample sample = data->at(i);
      ASSERT_EQ(sample.weights.size(), sample.document.size());
      const families::Example example = example_of(*family, entry, sample, i);
      EXPECT_TRUE(is_usable(example)) << text_of(sample);
      // Every answer is about something; captions that are only copied are about nothing.
      EXPECT_EQ(answers_in(example), sample.tags.size()) << text_of(sample);
      tagged += sample.tags.size();
      for (const families::Segment& segment : example.segments)
        for (const int64_t id : std::get<families::TextSegment>(segment).ids)
          EXPECT_NE(id, family->tokenizer()->unk_id()) << text_of(sample);
    }
    EXPECT_GT(tagged, 12u) << kind;
  }
}

TEST(WorldData, OnlyTheQueryOfNamesCounts) {
  const auto data = open_data_set(entry_of("names"));
  for (size_t i = 0; i < 8; ++i) {
    const Sample sample = data->at(i);
    EXPECT_EQ(std::ranges::count(sample.weights, 1.0f), 1) << text_of(sample);
    EXPECT_EQ(sample.weights[sample.weights.size() - 2], 1.0f);
    ASSERT_EQ(sample.tags.size(), 1u);
    EXPECT_EQ(sample.tags[0], std::string("name by ") + (i / 4 % 2 == 1 ? "colour" : "object") +
                                  ", " + std::to_string(1 << i % 4) + " shots");
  }
}

TEST(WorldData, ALlavaLearnsFromQuestionsAndCaptions) {
  const fs::path folder = fresh_folder("world_llava");
  const auto family = fresh_llava(folder, written(folder, recipe_text()));
  for (const char* kind : {"questions", "plain"}) {
    recipe::DataEntry entry = entry_of(kind);
    entry.conversation_template = std::string(kind) == "plain" ? "plain" : "v1";
    expect_sound(entry, 3);
    const auto data = open_data_set(entry);
    for (size_t i = 0; i < 6; ++i) {
      const Sample sample = data->at(i);
      EXPECT_EQ(sample.media.size(), 1u);
      EXPECT_EQ(2 * sample.tags.size(), entry.kind == "questions" ? sample.turns.size() : 0);
      const families::Example example = example_of(*family, entry, sample, i);
      EXPECT_TRUE(is_usable(example)) << text_of(sample);
      EXPECT_EQ(example.media.size(), 1u);
    }
  }
}

TEST(WorldData, AOneLlmLearnsFromEveryModality) {
  const auto family = families::load_family(
      (fs::path(ISTHMUS_FIXTURES) / "onellm/tiny/model").string(), "", "", {});
  for (const std::string_view modality : world::kModalities)
    for (const char* kind : {"captions", "questions"}) {
      const recipe::DataEntry entry = entry_of(kind, std::string(modality));
      expect_sound(entry, 2);
      const auto data = open_data_set(entry);
      const Sample sample = data->at(0);
      // The tiny model has its own number of voxels.
      if (modality == "fmri") continue;
      const families::Example example = example_of(*family, entry, sample, 0);
      EXPECT_TRUE(is_usable(example)) << text_of(sample);
      ASSERT_EQ(example.media.size(), 1u);
      EXPECT_EQ(example.media[0].modality, modality);
    }
}

TEST(WorldData, AFlamingoReadsEpisodes) {
  const fs::path parts = fs::path(ISTHMUS_FIXTURES) / "openflamingo/neox_pythia_parallel/model";
  const fs::path folder = fresh_folder("world_flamingo");
  families::flamingo::write_new((parts / "lm").string(), (parts / "clip").string(),
                                {.resampler_layers = 1, .resampler_heads = 1, .latents = 2},
                                folder);
  const auto family = families::load_family(folder.string(), "", "", {});
  for (const char* kind : {"episodes", "pictures"}) {
    recipe::DataEntry entry = entry_of(kind, "image", "test");
    entry.conversation_template = "interleaved";
    entry.max_media = 9;
    entry.max_length = 1024;  // a tokenizer that knows few of these words
    expect_sound(entry, 2);
    Sample sample = open_data_set(entry)->at(1);
    ASSERT_EQ(sample.weights.size(), sample.document.size());
    EXPECT_EQ(std::ranges::count(sample.weights, 1.0f), std::ssize(sample.tags));
    size_t pictures = 0;
    for (size_t i = 0; i < sample.document.size(); ++i) {
      if (sample.document[i].type != Part::Type::kMedia) continue;
      ++pictures;
      EXPECT_EQ(sample.weights[i], 0);
    }
    EXPECT_EQ(pictures, entry.kind == "episodes" ? 9u : 1u);
    sample.weights.clear();  // pieces of bytes do not tell which part they belong to
    const families::Example example = example_of(*family, entry, sample, 1);
    EXPECT_EQ(example.media.size(), pictures);
    EXPECT_TRUE(is_usable(example)) << text_of(sample);
  }
}

TEST(WorldData, SplitsAreDifferentAndNamed) {
  for (const char* split : {"test", "held_out"}) {
    const auto train = open_world(entry_of("questions")),
               other = open_world(entry_of("questions", "image", split));
    EXPECT_NE(train->fingerprint(), other->fingerprint());
    EXPECT_NE(media_of(train->at(0)), media_of(other->at(0)));
    EXPECT_EQ(other->at(3).name, std::string("world/questions/") + split + "[3]");
  }
  EXPECT_EQ(entry_of("questions", "audio", "test").label(), "questions audio (test)");
}

TEST(WorldData, WhatThereIsNotIsRefused) {
  EXPECT_NE(message_of<UsageError>([] {
              open_world(entry_of("riddles"));
            }).find("kind \"riddles\" of the world: expected chat"),
            std::string::npos);
  EXPECT_NE(message_of<UsageError>([] {
              open_world(entry_of("captions", "smell"));
            }).find("the world has no modality \"smell\""),
            std::string::npos);
  EXPECT_NE(message_of<UsageError>([] {
              open_world(entry_of("chat", "image", "all"));
            }).find("split \"all\" of the world"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::training
