#include "train_stage.h"

#include <chrono>
#include <cmath>
#include <iostream>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "../progress.h"
#include "base/atomic_folder.h"
#include "base/system_memory.h"
#include "families/registry.h"
#include "isthmus/error.h"
#include "preflight.h"
#include "training/estimate.h"
#include "training/fresh_start.h"
#include "training/stage_run.h"
#include "training/watcher.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;
using recipe::Recipe;
using training::Processes;
using training::StageRun;

// Says once, after the first steps, how long the others will take.
class FirstSteps {
 public:
  explicit FirstSteps(double estimated) : estimated_(estimated) {}

  // After a step that took so long, with so many behind it; the line to be shown, or nothing.
  std::string ended(double seconds, int64_t left) {
    constexpr int kMeasured = 5, kWorthTelling = 20;
    seconds_ += seconds;
    // The first allocates what the others use again.
    if (++steps_ == 1) seconds_ = 0;
    if (steps_ != kMeasured + 1 || left < kWorthTelling) return {};
    const double step = seconds_ / kMeasured;
    return fmt::format("time: about {} more, {:.2g} s a step ({:.2g} s were estimated)",
                       training::seconds_in_words(step * static_cast<double>(left)), step,
                       estimated_);
  }

 private:
  double estimated_, seconds_ = 0;
  int steps_ = 0;
};

Preflight preflight_of(const recipe::Stage& stage, const StageRun& run,
                       std::vector<training::Shown> samples, double step_seconds,
                       std::string memory, int64_t processes) {
  Preflight preflight;
  preflight.title =
      fmt::format("{}: {} numbers learn, {} steps{}", stage.name, run.trainable_count(),
                  run.steps(), processes > 1 ? fmt::format(", {} processes", processes) : "");
  preflight.lines = {
      std::move(memory),
      fmt::format("time: about {}, {:.2g} s a step, going by its products; without measurements",
                  training::seconds_in_words(step_seconds * static_cast<double>(run.steps())),
                  step_seconds)};
  preflight.entries = std::move(samples);
  return preflight;
}

}  // namespace

Place first_place(const Recipe& recipe, const fs::path& out, Processes& processes) {
  if (!recipe.model.fresh) return {recipe.model.path, recipe.model.base};
  const fs::path start = out / "start";
  if (processes.is_first() && !fs::exists(start)) {
    // In one piece, or not at all.
    AtomicFolder folder(start);
    training::write_fresh(recipe, recipe.stages.front().seed, folder.temporary());
    folder.merge();
  }
  processes.wait();
  return {start.string(), recipe.model.fresh->kind == "projector" ? recipe.model.base : ""};
}

LoadOptions stage_load_options(const LoadOptions& options, const Recipe& recipe,
                               const recipe::Stage& stage) {
  LoadOptions load = options;
  load.vision = recipe.model.vision;
  load.merge_lora = false;
  for (const auto& [part, storage] : stage.storage) {
    if (part == "decoder")
      load.decoder_storage = storage;
    else if (part == "encoder")
      load.encoder_storage = storage;
    else if (part == "aligner")
      load.aligner_storage = storage;
    else
      throw UsageError(fmt::format(
          "stage {}: storage of \"{}\": expected decoder, encoder or aligner", stage.name, part));
  }
  return load;
}

bool train_stage(const Options& options, const Recipe& recipe, size_t index, const Place& place,
                 const fs::path& out, const std::shared_ptr<Processes>& processes,
                 const Interrupt& interrupt, const StageClock& clock) {
  const recipe::Stage& stage = recipe.stages[index];
  const int64_t program = resident_memory();
  const auto family = families::load_family(place.model, place.base, "",
                                            stage_load_options(options.load, recipe, stage));
  StageRun run(*family, recipe, index, processes);
  auto shown = run.preview();
  const std::string memory = memory_line(stage.name, run.memory(shown, program), options.anyway);
  const double step_seconds = run.seconds_of_step(shown);
  fs::create_directories(out);
  if (processes->is_first()) {
    const Preflight preflight =
        preflight_of(stage, run, std::move(shown), step_seconds, memory, processes->world());
    print(preflight, *family->tokenizer());
    write_page(preflight, *family->tokenizer(), out / "preflight.html");
    std::cerr << fmt::format("the same with pictures: {}\n", (out / "preflight.html").string());
  }
  std::optional<Progress> bar;
  std::optional<training::Watcher> watcher;
  if (processes->is_first()) watcher.emplace(*family, recipe, stage, out);
  const auto measure = [&](int64_t step) {
    for (const std::string& line : watcher->measure(step)) std::cerr << "\n" << line << std::flush;
    std::cerr << "\n";
  };
  training::StageCallbacks callbacks;
  callbacks.on_note = [](const std::string& note) { std::cerr << "isthmus: " << note << "\n"; };
  callbacks.cancelled = [&] { return interrupt.pressed(); };
  FirstSteps first_steps(step_seconds);
  auto begun = std::chrono::steady_clock::now();
  callbacks.on_begin = [&](int64_t step) {
    watcher->begin(step, run.steps());
    clock.on_begin(step);
    if (step == 0 && !stage.held_out.data.empty()) measure(0);
    begun = std::chrono::steady_clock::now();
  };
  callbacks.on_step = [&](const training::StepReport& report) {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    clock.on_step(report.step, seconds);
    if (const std::string line = first_steps.ended(seconds, report.steps - report.step);
        !line.empty())
      std::cerr << (bar ? "\n" : "") << line << "\n";
    if (!bar) bar.emplace(stage.name, report.steps - report.step + 1);
    watcher->add(report);
    std::vector<std::string> losses;
    for (const double loss : report.losses)
      losses.push_back(std::isfinite(loss) ? fmt::format("{:.4f}", loss) : "-");
    bar->set_detail(fmt::format("loss {}", fmt::join(losses, " ")));
    bar->advance();
    if (watcher->is_due(report.step) && report.step < report.steps) measure(report.step);
    begun = std::chrono::steady_clock::now();
  };
  const bool finished = run.run(out / "checkpoints", callbacks);
  if (bar) bar->finish();
  if (!finished) return false;
  if (watcher && !stage.held_out.data.empty()) measure(run.steps());
  if (watcher) watcher->finish();
  if (processes->is_first())
    family->save(out / "model", {.dtype = stage.dtype, .lora_dropout = stage.lora.dropout});
  processes->wait();
  return true;
}

}  // namespace isthmus::cli
