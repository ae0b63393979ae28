#include "recipe/recipe.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "recipe/comparison.h"

namespace isthmus::recipe {
namespace {

namespace fs = std::filesystem;

fs::path written_recipe(const std::string& text) {
  const fs::path file = fs::path(testing::TempDir()) / "isthmus_recipe.yaml";
  std::ofstream(file) << text;
  return file;
}

const char* const kGood = R"(model: {path: some/model, base: vicuna}
stages:
  - name: one
    trainable: ["aligner.*", {match: decoder.embed_tokens.weight, rows: [7, 8]}]
    storage: {decoder: q4}
    data:
      - {type: conversations, path: a.json, template: v1, weight: 2, order: sequential}
      - {type: captions, path: b.csv, loss_multiplier: 0.2, batch: 4}
    combine: together
    batch: 8
    accumulation: 2
    epochs: 1.5
    optimizer: {kind: adamw, beta2: 0.95}
    groups: [{match: "*", rate: 1.0e-3, weight_decay: 0.1}]
    schedule: {decay: cosine, warmup_ratio: 0.03, min_rate: 1.0e-5}
    clip_norm: 2
)";

TEST(Recipe, IsReadWhole) {
  const Recipe recipe = load_recipe(written_recipe(kGood));
  EXPECT_EQ(recipe.name, "isthmus_recipe");
  EXPECT_EQ(recipe.model.path, "some/model");
  ASSERT_EQ(recipe.stages.size(), 1u);
  const Stage& stage = recipe.stages[0];
  ASSERT_EQ(stage.trainable.size(), 2u);
  EXPECT_EQ(stage.trainable[1].rows, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(stage.storage.at("decoder"), "q4");
  ASSERT_EQ(stage.data.size(), 2u);
  EXPECT_EQ(stage.data[0].path, fs::path(testing::TempDir()) / "a.json");
  EXPECT_EQ(stage.data[0].order, samples::OrderKind::kSequential);
  EXPECT_EQ(stage.data[1].loss_multiplier, 0.2);
  EXPECT_EQ(stage.combine, Combine::kTogether);
  EXPECT_EQ(stage.epochs, 1.5);
  EXPECT_EQ(stage.optimizer.beta2, 0.95);
  EXPECT_EQ(stage.groups[0].weight_decay, 0.1);
  EXPECT_EQ(stage.schedule.min_rate, 1e-5);
}

TEST(Recipe, ValuesCanBeSetOnTop) {
  const fs::path file = written_recipe(kGood);
  const Recipe recipe =
      load_recipe(file, {"stages.0.batch=3", "stages.0.data.1.path=c.csv", "name=mine"});
  EXPECT_EQ(recipe.stages[0].batch, 3);
  EXPECT_EQ(recipe.stages[0].data[1].path.filename(), "c.csv");
  EXPECT_EQ(recipe.name, "mine");
  EXPECT_NE(recipe.text, load_recipe(file).text);
  EXPECT_NE(message_of<UsageError>([&] {
              load_recipe(file, {"stages.4.batch=3"});
            }).find("\"4\" is no place in a list of 1"),
            std::string::npos);
}

TEST(Recipe, EverythingWrongIsToldAtOnceWithItsLine) {
  const std::string error = message_of<UsageError>([] {
    load_recipe(written_recipe(R"(model: {path: m, bsae: x}
stages:
  - name: one
    trainable: aligner
    data: [{type: picture, path: a.json}]
    batch: none
    steps: 10
    epochs: 2
    groups: [{match: "*"}]
)"));
  });
  for (const char* part :
       {"isthmus_recipe.yaml:1: model.bsae: unknown key; did you mean \"base\"?",
        ":4: stages[0].trainable: expected a list",
        ":5: stages[0].data[0].type: \"picture\" is not one of conversations, captions",
        ":6: stages[0].batch: expected a whole number, found \"none\"",
        "stages[0].steps: expected either steps or epochs", "stages[0].groups[0].rate is missing"})
    EXPECT_NE(error.find(part), std::string::npos) << part << " in " << error;
}

const char* const kFull = R"(model:
  base: vicuna
  fresh:
    kind: universal_projection
    modalities: [image, audio]
    experts: 2
    sizes: {audio_window: [128, 96], resample_tokens: 16}
stages:
  - name: one
    trainable: ["aligner.*"]
    data:
      - {type: pairs, path: "pairs-{000..001}.tar", weight: 2}
      - {type: interleaved, path: pages.tar, min_kb: 0, similarity_threshold: 0.3, max_media: 5,
         in_page_order: false}
      - {type: modality_captions, path: sounds.json, modality: audio, media: clips}
      - {type: world, kind: questions, modality: depth, split: test, samples: 50, side: 64}
      - {type: world, kind: chat, name: talk}
    steps: 10
    groups: [{match: "*", rate: 1.0e-3}]
    lora: {rank: 4, alpha: 8, dropout: 0.1, targets: ["decoder.layers.*.q_proj"]}
    ema: 0.99
    non_finite: skip
    dtype: f32
    feature_cache: {memory_mb: 64, folder: features}
    held_out:
      every: 5
      samples: 7
      data: [{type: world, kind: names, split: test}]
)";

TEST(Recipe, AStageMayAskForMuch) {
  const Recipe recipe = load_recipe(written_recipe(kFull));
  EXPECT_EQ(recipe.model.fresh->kind, "universal_projection");
  EXPECT_EQ(recipe.model.fresh->modalities, (std::vector<std::string>{"image", "audio"}));
  EXPECT_EQ(recipe.model.fresh->sizes.at("audio_window"), (std::vector<int64_t>{128, 96}));
  EXPECT_EQ(recipe.model.fresh->sizes.at("resample_tokens"), std::vector<int64_t>{16});
  const Stage& stage = recipe.stages[0];
  ASSERT_EQ(stage.data.size(), 5u);
  EXPECT_EQ(stage.data[1].similarity_threshold, 0.3);
  EXPECT_EQ(stage.data[1].min_kb, 0);
  EXPECT_FALSE(stage.data[1].in_page_order);
  EXPECT_EQ(stage.data[2].media, fs::path(testing::TempDir()) / "clips");
  EXPECT_EQ(stage.data[2].label(), "sounds.json");
  EXPECT_EQ(stage.data[3].label(), "questions depth (test)");
  EXPECT_EQ(stage.data[3].samples, 50);
  EXPECT_EQ(stage.data[3].side, 64);
  EXPECT_EQ(stage.data[4].label(), "talk");
  EXPECT_EQ(stage.lora.rank, 4);
  EXPECT_EQ(stage.lora.dropout, 0.1);
  EXPECT_EQ(stage.ema, 0.99);
  EXPECT_TRUE(stage.skips_non_finite);
  EXPECT_EQ(stage.dtype, "f32");
  EXPECT_EQ(stage.cache_mb, 64);
  EXPECT_EQ(stage.cache_folder, fs::path(testing::TempDir()) / "features");
  EXPECT_EQ(stage.held_out.every, 5);
  EXPECT_EQ(stage.held_out.samples, 7);
  EXPECT_EQ(stage.held_out.data.at(0).kind, "names");
}

TEST(Recipe, ValuesOutOfRangeAreTold) {
  std::string text = kFull;
  for (const auto& [good, bad] : {std::pair("ema: 0.99", "ema: 1"),
                                  {"non_finite: skip", "non_finite: maybe"},
                                  {"dropout: 0.1", "dropout: 1"},
                                  {"rank: 4, ", ""},
                                  {"dtype: f32", "dtype: f8"},
                                  {"kind: questions, ", ""},
                                  {"experts: 2", "latents: 2"},
                                  {"memory_mb: 64", "memory: 64"}})
    text.replace(text.find(good), std::string(good).size(), bad);
  const std::string error = message_of<UsageError>([&] { load_recipe(written_recipe(text)); });
  for (const char* part :
       {"stages[0].ema: expected a number below 1", "stages[0].non_finite: \"maybe\" is not one of",
        "stages[0].lora.dropout: expected a number below 1", "stages[0].lora.rank is missing",
        "stages[0].dtype: \"f8\" is not one of", "stages[0].data[3].kind is missing",
        "model.fresh.latents: unknown key", "stages[0].feature_cache.memory: unknown key"})
    EXPECT_NE(error.find(part), std::string::npos) << part << " in " << error;
}

TEST(Recipe, OnlyAUniversalProjectionGrows) {
  const auto error = [](const std::string& model) {
    std::string text = kGood;
    const std::string old = "{path: some/model, base: vicuna}";
    return message_of<UsageError>(
        [&] { load_recipe(written_recipe(text.replace(text.find(old), old.size(), model))); });
  };
  EXPECT_EQ(error("{path: m, fresh: {kind: universal_projection, modalities: [imu]}}"), "no error");
  EXPECT_EQ(error("{fresh: {kind: language_model, pieces: words.txt}}"), "no error");
  EXPECT_NE(error("{path: m, fresh: {kind: projector}}").find("expected either path or fresh"),
            std::string::npos);
  EXPECT_NE(error("{fresh: {kind: projector}}").find("model.base is missing"), std::string::npos);
  EXPECT_NE(error("{fresh: {kind: language_model}}").find("model.fresh.pieces is missing"),
            std::string::npos);
  EXPECT_NE(error("{base: vicuna}").find("expected either path or fresh"), std::string::npos);
}

TEST(Recipe, DifferencesAreNamedAndNotTooMany) {
  EXPECT_EQ(differences("a: {b: [1, 2]}\nc: 3", "a: {b: [1, 4]}\nd: 5"),
            (std::vector<std::string>{"a.b.1: 2, now 4", "d: absent, now 5", "c: 3, now absent"}));
  const auto many = differences("{a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1}",
                                "{a: 2, b: 2, c: 2, d: 2, e: 2, f: 2, g: 2}");
  ASSERT_EQ(many.size(), 6u);
  EXPECT_EQ(many.back(), "and 2 more");
  EXPECT_EQ(differences("{a: 1, b: 2}", "{b: 2, a: 1}"),
            std::vector<std::string>{"another order of its keys"});
}

TEST(Recipe, FilesThatAreMissingAreListedTogether) {
  const Recipe recipe = load_recipe(written_recipe(kGood));
  const std::string error = message_of<InputError>([&] { check_files(recipe); });
  EXPECT_NE(error.find("a.json"), std::string::npos);
  EXPECT_NE(error.find("b.csv"), std::string::npos);
}

TEST(Recipe, WhatIsNoYamlNamesItsLine) {
  const std::string error =
      message_of<UsageError>([] { load_recipe(written_recipe("model: [\nstages: {")); });
  EXPECT_NE(error.find("isthmus_recipe.yaml:2"), std::string::npos) << error;
  EXPECT_NE(message_of<UsageError>([] { load_recipe("nowhere.yaml"); }).find("cannot be opened"),
            std::string::npos);
}

TEST(Recipe, TheShippedOnesAreValid) {
  int count = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(ISTHMUS_SOURCE_DIR) / "recipes")) {
    if (entry.path().extension() != ".yaml") continue;
    if (entry.path().filename() == "compare.yaml")
      EXPECT_EQ(load_comparison(entry.path(), default_aligners()).size(), 4u);
    else
      EXPECT_NO_THROW(load_recipe(entry.path())) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 2);
}

}  // namespace
}  // namespace isthmus::recipe
