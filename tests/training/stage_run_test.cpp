// A stage from a recipe: it learns, goes on where it was left to the very bit, and says what is
// wrong with recipes, data and checkpoints.
#include "training/stage_run.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "nn/slots.h"
#include "small_llava.h"
#include "training/metrics_log.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

TEST(StageRun, LearnsAndResumesToTheBit) {
  const Whole whole = train("whole", recipe_text(), {});
  const Whole parts = train("parts", recipe_text(), {1, 3, 6});
  ASSERT_EQ(whole.losses.size(), 8u);
  EXPECT_LT(whole.losses.back(), 0.9 * whole.losses.front());
  EXPECT_EQ(whole.losses, parts.losses);
  EXPECT_EQ(whole.weights.size(), 4u);
  expect_same_bits(whole.weights, parts.weights);
}

TEST(StageRun, TrainsThroughAQuantisedLanguageModel) {
  const fs::path folder = fresh_folder("quantised");
  const recipe::Recipe recipe = written(folder, recipe_text());
  write_fresh(recipe, 1, folder / "start");
  for (const char* storage : {"q8", "q4"}) {
    LoadOptions options;
    options.vision = recipe.model.vision;
    options.decoder_storage = storage;
    const auto family = families::load_family((folder / "start").string(), recipe.model.base,
                                              "llava-start", options);
    StageRun run(*family, recipe, 0);
    std::vector<double> losses;
    StageCallbacks callbacks;
    callbacks.on_step = [&](const StepReport& report) { losses.push_back(report.losses.front()); };
    EXPECT_TRUE(run.run(folder / storage, callbacks));
    EXPECT_LT(losses.back(), 0.9 * losses.front()) << storage;
  }
}

TEST(StageRun, TheLeastRateIsANumberOfItsOwn) {
  const fs::path folder = fresh_folder("least");
  const std::string text =
      replaced(recipe_text(), "warmup_steps: 1}", "warmup_steps: 1, min_rate: 4.0e-3}");
  const recipe::Recipe recipe = written(folder, text);
  const auto family = fresh_llava(folder, recipe);
  std::vector<double> rates;
  StageCallbacks callbacks;
  callbacks.on_step = [&](const StepReport& report) { rates.push_back(report.rate); };
  EXPECT_TRUE(StageRun(*family, recipe, 0).run(folder / "checkpoints", callbacks));
  ASSERT_EQ(rates.size(), 8u);
  EXPECT_EQ(rates[0], 0);
  EXPECT_DOUBLE_EQ(rates[1], 1e-2);
  EXPECT_GT(rates[7], 4e-3);
  EXPECT_LT(rates[7], 5e-3);
}

TEST(StageRun, ADamagedCheckpointGivesWayToTheOneBefore) {
  const fs::path folder = fresh_folder("damaged");
  const recipe::Recipe recipe = written(folder, recipe_text());
  {
    const auto family = fresh_llava(folder, recipe);
    EXPECT_TRUE(StageRun(*family, recipe, 0).run(folder / "checkpoints", {}));
  }
  fs::resize_file(folder / "checkpoints/step-000000008.safetensors", 1000);
  const auto family = fresh_llava(folder, recipe);
  std::vector<std::string> notes;
  std::vector<int64_t> steps;
  StageCallbacks callbacks;
  callbacks.on_note = [&](const std::string& note) { notes.push_back(note); };
  callbacks.on_step = [&](const StepReport& report) { steps.push_back(report.step); };
  EXPECT_TRUE(StageRun(*family, recipe, 0).run(folder / "checkpoints", callbacks));
  EXPECT_EQ(steps, (std::vector<int64_t>{7, 8}));
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_NE(notes[0].find("step-000000008"), std::string::npos) << notes[0];
}

TEST(StageRun, AnotherRecipeDoesNotGoOn) {
  const fs::path folder = fresh_folder("other");
  recipe::Recipe recipe = written(folder, recipe_text());
  {
    const auto family = fresh_llava(folder, recipe);
    StageRun(*family, recipe, 0).run(folder / "checkpoints", {});
  }
  recipe = written(folder, recipe_text("    seed: 7\n"));
  const auto family = fresh_llava(folder, recipe);
  StageRun run(*family, recipe, 0);
  EXPECT_NE(
      message_of<UsageError>([&] { run.run(folder / "checkpoints", {}); }).find("another recipe"),
      std::string::npos);
}

TEST(StageRun, ShowsWhatIsLearnt) {
  const fs::path folder = fresh_folder("preview");
  const recipe::Recipe recipe = written(folder, recipe_text());
  const auto family = fresh_llava(folder, recipe);
  StageRun run(*family, recipe, 0);
  const auto shown = run.preview();
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].entry, "data.json");
  EXPECT_EQ(shown[0].example.media.size(), 1u);
  EXPECT_EQ(run.trainable_count(), 4320);
}

TEST(StageRun, BrokenSamplesAreCountedAndEndTheRunInTime) {
  const fs::path folder = fresh_folder("broken");
  std::ofstream(folder / "data.json")
      << R"([{"id": 1, "image": "gone.png", "conversations": [{"from": "human", "value": "<image>"},
            {"from": "gpt", "value": "A cat."}]}])";
  const std::string text = replaced(recipe_text("    bad_samples: 5\n"),
                                    llava_case("train_stage1/inputs/data.json").string(),
                                    (folder / "data.json").string());
  const recipe::Recipe recipe = written(folder, text);
  const auto family = fresh_llava(folder, recipe);
  StageRun run(*family, recipe, 0);
  EXPECT_NE(message_of<InputError>([&] { run.preview(); }).find("gone.png"), std::string::npos);
  const std::string error = message_of<InputError>([&] { run.run(folder / "checkpoints", {}); });
  EXPECT_NE(error.find("6 samples could not be used"), std::string::npos) << error;
}

TEST(StageRun, ALossThatIsNoNumberNamesItsSamples) {
  const fs::path folder = fresh_folder("nan");
  const recipe::Recipe recipe = written(folder, recipe_text("    clip_norm: 0\n"));
  const auto family = fresh_llava(folder, recipe);
  StageRun run(*family, recipe, 0);
  for (Tensor& parameter : family->modules().parameters()) {
    const torch::NoGradGuard no_gradient;
    if (parameter.requires_grad()) parameter.fill_(std::nanf(""));
  }
  const std::string error = message_of<ModelError>([&] { run.run(folder / "checkpoints", {}); });
  EXPECT_NE(error.find("step 1: the loss is nan; the samples were data.json["), std::string::npos)
      << error;
}

TEST(StageRun, WeightsThatNoGradientReachesAreToldAtOnce) {
  const fs::path folder = fresh_folder("no_gradient");
  std::string text = recipe_text();
  const std::string all = "\"aligner.*\"";
  text.replace(text.find(all), all.size(), "\"aligner.projector.0.*\"");
  const recipe::Recipe recipe = written(folder, text);
  const auto family = fresh_llava(folder, recipe);
  // Nothing goes back through a last layer of zeros.
  for (const nn::Slot& slot : nn::slots_of(family->modules()))
    if (slot.name == "aligner.projector.2.weight")
      slot.set_matrix(std::make_shared<nn::DenseMatrix>(torch::zeros(slot.shape)));
  StageRun run(*family, recipe, 0);
  const std::string error = message_of<UsageError>([&] { run.run(folder / "checkpoints", {}); });
  EXPECT_NE(error.find("no gradient reaches what learns (aligner.projector.0."), std::string::npos)
      << error;
}

TEST(StageRun, WhatWasTrainedLoadsAgain) {
  const fs::path folder = fresh_folder("saved");
  const recipe::Recipe recipe = written(folder, recipe_text());
  const auto family = fresh_llava(folder, recipe);
  StageRun(*family, recipe, 0).run(folder / "checkpoints", {});
  families::OutputOptions output;
  output.dtype = "f32";
  family->save(folder / "llava-trained", output);
  LoadOptions options;
  options.vision = recipe.model.vision;
  const auto loaded =
      families::load_family((folder / "llava-trained").string(), recipe.model.base, "", options);
  for (const nn::Slot& slot : nn::slots_of(loaded->modules()))
    for (const nn::Slot& own : nn::slots_of(family->modules())) {
      if (own.name != slot.name || !slot.name.starts_with("aligner.")) continue;
      EXPECT_TRUE(torch::equal(own.value(), slot.value())) << slot.name;
    }
}

TEST(MetricsLog, LinesBehindTheResumedStepAreWrittenAgain) {
  const fs::path file = fresh_folder("metrics") / "metrics.jsonl";
  StepReport report;
  report.losses = {1.5, std::nan("")};
  {
    MetricsLog log(file, 0);
    for (report.step = 1; report.step <= 4; ++report.step) log.add(report);
  }
  std::ofstream(file, std::ios::app) << "{\"step\": 5, \"lo";  // killed while writing
  MetricsLog log(file, 2);
  report.step = 3;
  log.add(report);
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[2], R"({"step":3,"loss":[1.5,null],"gradient_norm":0.0,"rate":0.0,"targets":0})");
}

}  // namespace
}  // namespace isthmus::training
