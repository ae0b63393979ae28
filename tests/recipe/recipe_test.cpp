#include "recipe/recipe.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"

namespace isthmus::recipe {
namespace {

namespace fs = std::filesystem;

fs::path written(const std::string& text) {
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
  const Recipe recipe = load_recipe(written(kGood));
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
  const fs::path file = written(kGood);
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
    load_recipe(written(R"(model: {path: m, bsae: x}
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

TEST(Recipe, FilesThatAreMissingAreListedTogether) {
  const Recipe recipe = load_recipe(written(kGood));
  const std::string error = message_of<InputError>([&] { check_files(recipe); });
  EXPECT_NE(error.find("a.json"), std::string::npos);
  EXPECT_NE(error.find("b.csv"), std::string::npos);
}

TEST(Recipe, WhatIsNoYamlNamesItsLine) {
  const std::string error =
      message_of<UsageError>([] { load_recipe(written("model: [\nstages: {")); });
  EXPECT_NE(error.find("isthmus_recipe.yaml:2"), std::string::npos) << error;
  EXPECT_NE(message_of<UsageError>([] { load_recipe("nowhere.yaml"); }).find("cannot be opened"),
            std::string::npos);
}

TEST(Recipe, TheShippedOnesAreValid) {
  int count = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(ISTHMUS_SOURCE_DIR) / "recipes")) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_NO_THROW(load_recipe(entry.path())) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 2);
}

}  // namespace
}  // namespace isthmus::recipe
