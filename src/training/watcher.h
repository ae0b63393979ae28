// What is told of a stage while it runs: lines of numbers, TensorBoard's events, a page, and what
// held-out samples say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "families/family.h"
#include "recipe/recipe.h"
#include "training/held_out.h"
#include "training/metrics_log.h"
#include "training/stage_run.h"
#include "watch/event_file.h"
#include "watch/live_page.h"

namespace isthmus::training {

// Writes below the stage's folder: metrics.jsonl, held_out.jsonl, tensorboard/, live.html. Of the
// first process alone, and of one thread.
class Watcher {
 public:
  Watcher(families::Family& family, const recipe::Recipe& recipe, const recipe::Stage& stage,
          const std::filesystem::path& folder);
  ~Watcher();

  // A run that goes on after `step`, of `steps`: what was told of later ones is taken back.
  void begin(int64_t step, int64_t steps);
  void add(const StepReport& report);
  // Measures the held-out samples, where there are any; one line for people per entry.
  std::vector<std::string> measure(int64_t step);
  bool is_due(int64_t step) const;
  // The page says that it is over.
  void finish();

 private:
  void show_answers(int64_t step);

  families::Family& family_;
  const recipe::Stage& stage_;
  std::filesystem::path folder_;
  std::unique_ptr<HeldOut> held_out_;
  std::optional<MetricsLog> metrics_, held_out_log_;
  std::optional<watch::EventFile> events_;
  std::optional<watch::LivePage> page_;
  std::string title_;
};

}  // namespace isthmus::training
