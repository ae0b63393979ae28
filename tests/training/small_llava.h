// A LLaVA of a few thousand numbers with a projector that nobody has trained yet, and recipes for
// it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "families/registry.h"
#include "recipe/recipe.h"
#include "training/fresh_start.h"
#include "training/stage_run.h"

namespace isthmus::training {

inline std::filesystem::path llava_case(const std::string& relative) {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "llava" / relative;
}

inline std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("isthmus_stage_" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline std::string llava_model_text(const std::string& fresh = "{projector: mlp2x_gelu}") {
  return "model:\n  base: " + llava_case("train_stage1/model/vicuna-tiny").string() +
         "\n  vision: " + llava_case("train_stage1/model/openai/clip-tiny-patch14-42").string() +
         "\n  fresh: " + fresh + "\n";
}

inline std::string captions_text() {
  return "{type: conversations, path: " + llava_case("train_stage1/inputs/data.json").string() +
         ", media: " + llava_case("train_stage1/inputs/images").string() + ", template: plain}";
}

// Eight steps over the five captions; `more` are lines of the stage.
inline std::string recipe_text(const std::string& more = "") {
  return llava_model_text() +
         "stages:\n"
         "  - name: align\n"
         "    trainable: [\"aligner.*\"]\n"
         "    data: [" +
         captions_text() +
         "]\n"
         "    batch: 3\n    steps: 8\n    groups: [{match: \"*\", rate: 1.0e-2}]\n"
         "    schedule: {decay: cosine, warmup_steps: 1}\n    save_every: 2\n" +
         more;
}

inline std::string replaced(std::string text, const std::string& old, const std::string& now) {
  const size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), now);
}

inline recipe::Recipe written(const std::filesystem::path& folder, const std::string& text) {
  std::ofstream(folder / "recipe.yaml") << text;
  return recipe::load_recipe(folder / "recipe.yaml");
}

inline std::shared_ptr<families::Family> load_start(const std::filesystem::path& folder,
                                                    const recipe::Recipe& recipe) {
  LoadOptions options;
  options.vision = recipe.model.vision;
  return families::load_family((folder / "start").string(), recipe.model.base, "llava-start",
                               options);
}

inline std::shared_ptr<families::Family> fresh_llava(const std::filesystem::path& folder,
                                                     const recipe::Recipe& recipe) {
  write_fresh(recipe, 1, folder / "start");
  return load_start(folder, recipe);
}

struct Outcome {
  bool finished = false;
  std::vector<double> losses;  // of every entry of each step
  std::vector<int64_t> steps, skipped;
  std::vector<std::string> notes;
};

// The first stage, until `stop` steps are done in all (0: to its end).
inline Outcome run_stage(families::Family& family, const recipe::Recipe& recipe,
                         const std::filesystem::path& checkpoints, int64_t stop = 0,
                         std::shared_ptr<Processes> processes = Processes::from_environment()) {
  Outcome outcome;
  const bool is_first = processes->is_first();
  StageRun run(family, recipe, 0, std::move(processes));
  StageCallbacks callbacks;
  int64_t done = 0;
  callbacks.on_step = [&](const StepReport& report) {
    outcome.losses.insert(outcome.losses.end(), report.losses.begin(), report.losses.end());
    outcome.steps.push_back(report.step);
    if (report.skipped) outcome.skipped.push_back(report.step);
    done = report.step;
  };
  callbacks.on_note = [&](const std::string& note) { outcome.notes.push_back(note); };
  callbacks.cancelled = [&] { return is_first && stop > 0 && done >= stop; };
  outcome.finished = run.run(checkpoints, callbacks);
  return outcome;
}

// Copies of the weights that learn.
inline std::map<std::string, Tensor> learnt(families::Family& family) {
  std::map<std::string, Tensor> weights;
  for (const auto& parameter : family.modules().named_parameters())
    if (parameter.value().requires_grad())
      weights[parameter.key()] = parameter.value().detach().clone();
  return weights;
}

inline void expect_same_bits(const std::map<std::string, Tensor>& a,
                             const std::map<std::string, Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, value] : a) EXPECT_TRUE(torch::equal(value, b.at(name))) << name;
}

// Interrupted after each of `stops` steps, with a new process's worth of objects each time.
struct Whole {
  std::vector<double> losses;
  std::map<std::string, Tensor> weights;
};
inline Whole train(const std::string& name, const std::string& text,
                   const std::vector<int64_t>& stops) {
  const auto folder = fresh_folder(name);
  const recipe::Recipe recipe = written(folder, text);
  Whole whole;
  for (size_t part = 0; part <= stops.size(); ++part) {
    const auto family = fresh_llava(folder, recipe);
    const Outcome outcome =
        run_stage(*family, recipe, folder / "checkpoints", part < stops.size() ? stops[part] : 0);
    EXPECT_EQ(outcome.finished, part == stops.size());
    whole.losses.insert(whole.losses.end(), outcome.losses.begin(), outcome.losses.end());
    whole.weights = learnt(*family);
  }
  return whole;
}

}  // namespace isthmus::training
