#include "train_stage.h"

#include <chrono>
#include <cmath>
#include <iostream>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "../progress.h"
#include "base/atomic_folder.h"
#include "families/registry.h"
#include "isthmus/error.h"
#include "training/fresh_start.h"
#include "training/stage_run.h"
#include "training/watcher.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;
using recipe::Recipe;
using training::Processes;
using training::StageRun;

// One sample as training sees it; what carries loss stands in brackets, or in colour.
void show(const training::Shown& shown, const text::Tokenizer& tokenizer) {
  const bool colour = isatty(STDERR_FILENO) != 0;
  std::cerr << fmt::format("{}: {}, {} media\n  ", shown.entry, shown.sample,
                           shown.example.media.size());
  for (const families::Segment& segment : shown.example.segments) {
    const auto* text = std::get_if<families::TextSegment>(&segment);
    if (text == nullptr) {
      std::cerr << "<medium>";
      continue;
    }
    const std::string words = tokenizer.decode(text->ids, false);
    if (!text->is_target)
      std::cerr << words;
    else if (colour)
      std::cerr << "\x1b[32m" << words << "\x1b[0m";
    else
      std::cerr << "[" << words << "]";
  }
  std::cerr << "\n";
}

void announce(const recipe::Stage& stage, const StageRun& run,
              const std::vector<training::Shown>& samples, const text::Tokenizer& tokenizer,
              int64_t processes) {
  std::cerr << fmt::format("stage {}: {} numbers learn, {} steps{}\n", stage.name,
                           run.trainable_count(), run.steps(),
                           processes > 1 ? fmt::format(", {} processes", processes) : "");
  for (const training::Shown& shown : samples) show(shown, tokenizer);
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

bool train_stage(const LoadOptions& options, const Recipe& recipe, size_t index, const Place& place,
                 const fs::path& out, const std::shared_ptr<Processes>& processes,
                 const Interrupt& interrupt, const StageClock& clock) {
  const recipe::Stage& stage = recipe.stages[index];
  const auto family = families::load_family(place.model, place.base, "",
                                            stage_load_options(options, recipe, stage));
  StageRun run(*family, recipe, index, processes);
  const auto shown = run.preview();
  if (processes->is_first()) announce(stage, run, shown, *family->tokenizer(), processes->world());

  fs::create_directories(out);
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
  auto begun = std::chrono::steady_clock::now();
  callbacks.on_begin = [&](int64_t step) {
    watcher->begin(step, run.steps());
    clock.on_begin(step);
    if (step == 0 && !stage.held_out.data.empty()) measure(0);
    begun = std::chrono::steady_clock::now();
  };
  callbacks.on_step = [&](const training::StepReport& report) {
    clock.on_step(report.step,
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
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
