// What is left to look at of a run: numbers, TensorBoard's events, a page, and what held-out
// samples say.
#include "training/watcher.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "error_message.h"
#include "isthmus/error.h"
#include "small_llava.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

std::vector<nlohmann::json> lines_of(const fs::path& file) {
  std::vector<nlohmann::json> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::string watched_text() {
  return recipe_text(
      "    held_out:\n      every: 3\n      samples: 4\n      batch: 3\n"
      "      data: [" +
      captions_text().substr(0, captions_text().size() - 1) +
      ", name: garden}, {type: world, kind: questions, split: test, side: 42, "
      "template: v1}]\n");
}

// As `isthmus align` does it, until `stop` steps are done (0: to the end).
std::vector<std::string> watch(families::Family& family, const recipe::Recipe& recipe,
                               const fs::path& folder, int64_t stop) {
  StageRun run(family, recipe, 0);
  Watcher watcher(family, recipe, recipe.stages[0], folder);
  std::vector<std::string> said;
  const auto measure = [&](int64_t step) {
    for (const std::string& line : watcher.measure(step)) said.push_back(line);
  };
  StageCallbacks callbacks;
  int64_t done = 0;
  callbacks.on_begin = [&](int64_t step) {
    watcher.begin(step, run.steps());
    if (step == 0) measure(0);
  };
  callbacks.on_step = [&](const StepReport& report) {
    watcher.add(report);
    if (watcher.is_due(report.step) && report.step < report.steps) measure(report.step);
    done = report.step;
  };
  callbacks.cancelled = [&] { return stop > 0 && done >= stop; };
  if (run.run(folder / "checkpoints", callbacks)) {
    measure(run.steps());
    watcher.finish();
  }
  return said;
}

TEST(Watcher, LeavesNumbersEventsAndAPage) {
  const fs::path folder = fresh_folder("watched");
  const recipe::Recipe recipe = written(folder, watched_text());
  watch(*fresh_llava(folder, recipe), recipe, folder, 5);
  const std::string unfinished = read_file(folder / "live.html");
  const auto family = fresh_llava(folder, recipe);
  const auto said = watch(*family, recipe, folder, 0);
  // Measuring changes nothing.
  expect_same_bits(learnt(*family), train("unwatched", recipe_text(), {}).weights);

  const auto metrics = lines_of(folder / "metrics.jsonl");
  ASSERT_EQ(metrics.size(), 8u);
  for (size_t i = 0; i < metrics.size(); ++i) EXPECT_EQ(metrics[i]["step"], i + 1);
  const auto held_out = lines_of(folder / "held_out.jsonl");
  std::vector<int64_t> steps;
  for (const auto& line : held_out) steps.push_back(line["step"]);
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 3, 6, 8}));
  const nlohmann::json& last = held_out.back();
  EXPECT_LT(last["held_out_loss"]["garden"], held_out.front()["held_out_loss"]["garden"]);
  for (const char* key : {"exact", "exact_shuffled", "exact_blank", "dependence", "alignment"})
    EXPECT_TRUE(last[key].contains("garden")) << key;
  EXPECT_TRUE(last["alignment"]["garden"]["layers"].contains("0"));
  EXPECT_TRUE(last["answers"].contains("questions (test)"));
  EXPECT_FALSE(last["answers"].contains("garden"));  // these data say nothing about their answers

  size_t events = 0;
  for (const auto& file : fs::directory_iterator(folder / "tensorboard")) {
    EXPECT_TRUE(file.path().filename().string().starts_with("events.out.tfevents."));
    const std::string bytes = read_file(file.path());
    events += bytes.find("loss/data.json") != std::string::npos ? 1 : 0;
    EXPECT_NE(bytes.find("held_out/garden/loss"), std::string::npos);
  }
  EXPECT_EQ(events, 1u);  // the last step is always told

  const std::string page = read_file(folder / "live.html");
  for (const char* part : {"recipe: align", "garden", "questions (test)", "data.json"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_NE(page, unfinished);
  ASSERT_EQ(said.size(), 2u * 2);  // after six steps and eight
  EXPECT_TRUE(said.back().starts_with("step 8: questions (test): ")) << said.back();
}

TEST(HeldOut, TheAnswersAreThoseOfTheData) {
  const fs::path folder = fresh_folder("held_out");
  const recipe::Recipe recipe = written(folder, watched_text());
  const auto family = fresh_llava(folder, recipe);
  HeldOut held_out(*family, recipe.stages[0].held_out, size_t{1} << 20);
  ASSERT_EQ(held_out.size(), 2u);
  EXPECT_EQ(held_out.name(0), "garden");
  EXPECT_EQ(held_out.examples(0).size(), 4u);
  EXPECT_FALSE(held_out.picture(0, 0).empty());
  const auto answers = held_out.answers(0);
  ASSERT_EQ(answers.size(), 4u);  // one a caption
  const auto tallies = tallies_of(held_out.answers(1));
  ASSERT_GT(tallies.size(), 1u);
  int64_t tagged = 0;
  for (size_t i = 1; i < tallies.size(); ++i) tagged += tallies[i].answers;
  EXPECT_EQ(tagged, tallies[0].answers);
  const auto other = held_out.answers(0, MediaChoice::kShuffled),
             blank = held_out.answers(0, MediaChoice::kBlank);
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].tokens, other[i].tokens);
    EXPECT_NE(answers[i].log_likelihood, other[i].log_likelihood);
    EXPECT_NE(answers[i].log_likelihood, blank[i].log_likelihood);
  }
}

TEST(HeldOut, AnEntryWithoutAUsableSampleIsNamed) {
  const fs::path folder = fresh_folder("held_out_none");
  std::ofstream(folder / "none.json") << "[]";
  const recipe::Recipe recipe = written(
      folder, recipe_text("    held_out: {data: [{type: conversations, path: none.json}]}\n"));
  const auto family = fresh_llava(folder, recipe);
  EXPECT_NE(message_of<InputError>([&] {
              HeldOut(*family, recipe.stages[0].held_out, 0);
            }).find("none.json"),
            std::string::npos);
}

}  // namespace
}  // namespace isthmus::training
