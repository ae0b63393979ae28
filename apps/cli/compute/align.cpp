#include "align.h"

#include <cmath>
#include <iostream>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "../progress.h"
#include "engine/load.h"
#include "families/registry.h"
#include "interrupt.h"
#include "isthmus/error.h"
#include "layout/model_locator.h"
#include "training/fresh_start.h"
#include "training/metrics_log.h"
#include "training/stage_run.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;
using recipe::Recipe;
using training::StageRun;

// A model as load_family takes it.
struct Place {
  std::string model, base;
};

// Where the first stage begins: the model that the recipe names, or a fresh aligner, written once.
Place first_place(const Recipe& recipe, const fs::path& out) {
  if (!recipe.model.fresh) return {recipe.model.path, recipe.model.base};
  const fs::path start = out / "start";
  if (!fs::exists(start / "config.json")) {
    const auto locator = layout::ModelLocator::from_environment();
    training::write_fresh_llava(
        *recipe.model.fresh, locator.find_model(recipe.model.base),
        locator.find_piece(recipe.model.vision, recipe.file.parent_path(), "model.vision", ""),
        recipe.stages.front().seed, start);
  }
  return {start.string(), recipe.model.base};
}

LoadOptions load_options(const Options& options, const Recipe& recipe, const recipe::Stage& stage) {
  LoadOptions load = options.load;
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

// False: interrupted.
bool train(const Options& options, const Recipe& recipe, size_t index, const Place& place,
           const fs::path& out, const Interrupt& interrupt) {
  const recipe::Stage& stage = recipe.stages[index];
  const auto family =
      families::load_family(place.model, place.base, "", load_options(options, recipe, stage));
  StageRun run(*family, recipe, index);
  std::cerr << fmt::format("stage {}: {} numbers learn, {} steps\n", stage.name,
                           run.trainable_count(), run.steps());
  for (const training::Shown& shown : run.preview()) show(shown, *family->tokenizer());

  std::optional<Progress> bar;
  std::optional<training::MetricsLog> metrics;
  training::StageCallbacks callbacks;
  callbacks.on_note = [](const std::string& note) { std::cerr << "isthmus: " << note << "\n"; };
  callbacks.cancelled = [&] { return interrupt.pressed(); };
  callbacks.on_step = [&](const training::StepReport& report) {
    if (!bar) {
      bar.emplace(stage.name, report.steps - report.step + 1);
      metrics.emplace(out / "metrics.jsonl", report.step - 1);
    }
    metrics->add(report);
    std::vector<std::string> losses;
    for (const double loss : report.losses)
      losses.push_back(std::isfinite(loss) ? fmt::format("{:.4f}", loss) : "-");
    bar->set_detail(fmt::format("loss {}", fmt::join(losses, " ")));
    bar->advance();
  };
  fs::create_directories(out);
  const bool finished = run.run(out / "checkpoints", callbacks);
  if (bar) bar->finish();
  if (!finished) return false;
  family->save(out / "model", {});
  return true;
}

}  // namespace

int align(const Options& options) {
  engine::prepare_arithmetic(options.load.threads);
  const Recipe recipe = recipe::load_recipe(options.recipe, options.sets);
  recipe::check_files(recipe);
  const fs::path out = options.out.empty() ? fs::path("aligned") / recipe.name : options.out;
  fs::create_directories(out);
  Place place = first_place(recipe, out);
  const Interrupt interrupt;
  for (size_t i = 0; i < recipe.stages.size(); ++i) {
    const fs::path folder = out / recipe.stages[i].name;
    if (fs::exists(folder / "model")) {
      std::cerr << fmt::format("stage {}: is there already\n", recipe.stages[i].name);
    } else if (!train(options, recipe, i, place, folder, interrupt)) {
      std::cerr << "isthmus: interrupted; the same command goes on from here\n";
      return 1;
    }
    place.model = (folder / "model").string();
    // What a stage writes whole needs no base any more.
    if (fs::exists(folder / "model/tokenizer.model") || fs::exists(folder / "model/tokenizer.json"))
      place.base.clear();
  }
  std::cout << place.model << "\n";
  return 0;
}

}  // namespace isthmus::cli
