#include "recipe/comparison.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"

namespace isthmus::recipe {
namespace {

namespace fs = std::filesystem;

fs::path written(const std::string& text) {
  const fs::path file = fs::path(testing::TempDir()) / "isthmus_comparison.yaml";
  std::ofstream(file) << text;
  return file;
}

const char* const kModel = "model: {base: vicuna, vision: clip}\n";
const char* const kStage = R"(stages:
  - name: one
    trainable: ["aligner.*"]
    data: [{type: world, kind: questions}]
    steps: 10
    groups: [{match: "*", rate: 1.0e-3}]
    held_out: {data: [{type: conversations, path: a.json, template: llama_2, max_length: 99}]}
)";
const char* const kOwn = R"(compare:
  mlp: {fresh: {token_scale: 0.5}}
  mlp3x: {fresh: {token_scale: 0.25}}
  resampler+xattn: {fresh: {gate: 0.5, latents: 9}, template: caption, clip_norm: 7}
  upm:
    fresh: {modalities: [image, audio], experts: 2}
    groups: [{match: "*", rate: 5.0e-3}]
    optimizer: {kind: muon}
)";

std::string complaint(const std::string& text, const std::vector<std::string>& aligners = {"mlp"},
                      const std::vector<std::string>& sets = {}) {
  return message_of<UsageError>([&] { load_comparison(written(text), aligners, sets); });
}

TEST(Comparison, GivesEveryAlignerTheSameBudgetAndItsOwnForm) {
  const auto all = load_comparison(written(std::string("name: mine\n") + kModel + kStage + kOwn),
                                   {"linear", "mlp", "mlp3x", "mlp4x", "resampler+xattn", "upm"});
  ASSERT_EQ(all.size(), 6u);
  for (const Contestant& one : all) {
    EXPECT_EQ(one.comparison, "mine");
    EXPECT_EQ(one.recipe.name, "mine: " + one.aligner);
    ASSERT_EQ(one.recipe.stages.size(), 1u);
    EXPECT_EQ(one.recipe.stages[0].steps, 10);
    EXPECT_EQ(one.recipe.stages[0].dtype, "f32");
    EXPECT_EQ(one.recipe.stages[0].data[0].max_length, 2048);
    EXPECT_EQ(one.recipe.stages[0].held_out.data[0].max_length, 99);
    EXPECT_TRUE(one.recipe.model.fresh.has_value());
  }
  const auto fresh = [&](size_t i) { return *all[i].recipe.model.fresh; };
  EXPECT_EQ(fresh(0).projector, "linear");
  EXPECT_EQ(fresh(0).select_layer, -1);
  EXPECT_EQ(fresh(0).token_scale, 1);
  EXPECT_EQ(fresh(1).projector, "mlp2x_gelu");
  EXPECT_EQ(fresh(1).token_scale, .5);
  EXPECT_EQ(fresh(2).projector, "mlp3x_gelu");
  EXPECT_EQ(fresh(2).token_scale, .25);
  EXPECT_EQ(fresh(3).projector, "mlp4x_gelu");
  EXPECT_EQ(fresh(3).token_scale, .5);  // what is said of mlp
  EXPECT_EQ(fresh(4).kind, "gated_cross_attention");
  EXPECT_EQ(fresh(4).gate, .5);
  EXPECT_EQ(fresh(5).kind, "universal_projection");
  EXPECT_EQ(fresh(5).modalities, (std::vector<std::string>{"image", "audio"}));
  EXPECT_EQ(all[4].recipe.stages[0].clip_norm, 7);
  EXPECT_EQ(all[0].recipe.stages[0].clip_norm, 1);
  EXPECT_EQ(all[5].recipe.stages[0].optimizer.kind, "muon");
  EXPECT_EQ(all[5].recipe.stages[0].groups[0].rate, 5e-3);
  EXPECT_EQ(all[0].recipe.stages[0].groups[0].rate, 1e-3);
  const auto form = [&](size_t i, bool held_out) {
    const Stage& stage = all[i].recipe.stages[0];
    return (held_out ? stage.held_out.data : stage.data)[0].conversation_template;
  };
  EXPECT_EQ(form(0, false), "v1");
  EXPECT_EQ(form(0, true), "llama_2");  // the recipe's own
  EXPECT_EQ(form(4, true), "caption");
  EXPECT_EQ(form(5, true), "");
}

TEST(Comparison, ValuesCanBeSetOnTop) {
  const auto all = load_comparison(written(std::string(kModel) + kStage + kOwn), {"mlp"},
                                   {"stages.0.steps=3", "compare.mlp.fresh.token_scale=2"});
  EXPECT_EQ(all[0].comparison, "isthmus_comparison");
  EXPECT_EQ(all[0].recipe.stages[0].steps, 3);
  EXPECT_EQ(all[0].recipe.model.fresh->token_scale, 2);
}

TEST(Comparison, AlignersAreNamed) {
  const std::string good = std::string(kModel) + kStage;
  EXPECT_EQ(complaint(good, {"linaer"}),
            "--aligners: there is no aligner \"linaer\"; did you mean \"linear\"?");
  EXPECT_EQ(complaint(good, {"q-former"}),
            "--aligners: there is no aligner \"q-former\"; known are linear, mlp, resampler+xattn, "
            "upm, mlp3x");
  EXPECT_EQ(complaint(good, {"mlp1x"}),
            "--aligners: there is no aligner \"mlp1x\"; did you mean \"mlp3x\"?");
  EXPECT_EQ(complaint(good, {"mlp", "mlp"}), "--aligners: \"mlp\" is named twice");
  EXPECT_EQ(complaint(good, {}), "--aligners: there is none");
}

TEST(Comparison, WhatCannotBeComparedIsToldWithItsLine) {
  const std::string error = complaint(R"(model: {path: m, base: vicuna, vision: clip}
stages:
  - name: one
compare: {mlp: {}, umlp: {}}
)");
  for (const char* part : {":1: model.path: a comparison begins with base and vision",
                           ":4: compare.umlp: unknown key; did you mean \"mlp\"?"})
    EXPECT_NE(error.find(part), std::string::npos) << part << " in " << error;
  const std::string stage = complaint(std::string(kModel) + R"(stages:
  - name: one
    trainable: ["*"]
    data: [{type: interleaved, path: a.tar}, {type: world, kind: questions, modality: audio}]
    steps: 10
)");
  for (const char* part :
       {":3: stages[0].trainable: a comparison trains whole aligners alone",
        ":3: stages[0].held_out: a comparison has one data set held out",
        ":5: not every family learns from this", ":5: modality: only pictures can be compared"})
    EXPECT_NE(stage.find(part), std::string::npos) << part << " in " << stage;
  const std::string own =
      complaint(std::string(kModel) + kStage +
                "compare: {mlp: {steps: 9, fresh: {projector: linear, tower: {}}}}\n");
  for (const char* part : {"compare.mlp.steps: unknown key",
                           "compare.mlp.fresh.projector: follows from the aligner's name",
                           "compare.mlp.fresh.tower: all aligners read the same encoder"})
    EXPECT_NE(own.find(part), std::string::npos) << part << " in " << own;
  EXPECT_NE(complaint(std::string(kModel) + "stages: []\n").find("a comparison has one stage"),
            std::string::npos);
}

TEST(Comparison, IsNoRecipeForAlign) {
  const fs::path file = written(std::string(kModel) + kStage + kOwn);
  EXPECT_NE(message_of<UsageError>([&] { load_recipe(file); }).find("it is for isthmus compare"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::recipe
