#include "compare.h"

#include <filesystem>
#include <iostream>
#include <optional>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "base/atomic_file.h"
#include "compare_json.h"
#include "compare_measure.h"
#include "compare_page.h"
#include "compare_tables.h"
#include "engine/load.h"
#include "interrupt.h"
#include "isthmus/error.h"
#include "recipe/comparison.h"
#include "train_stage.h"
#include "training/metrics_log.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;
using recipe::Contestant;
using training::Processes;

constexpr size_t kShownQuestions = 8;

// The seconds of every step, one line of timing.jsonl each; a run that goes on keeps the old ones.
StageClock clock_into(const fs::path& folder, std::optional<training::MetricsLog>& log) {
  return {[folder, &log](int64_t step) { log.emplace(folder / "timing.jsonl", step); },
          [&log](int64_t step, double seconds) {
            log->add_line({{"step", step}, {"seconds", seconds}});
          }};
}

// Where the trained aligner lies, trained now if it is not there; nothing when interrupted.
std::optional<Place> trained(const Options& options, const Contestant& contestant,
                             const fs::path& out, const std::shared_ptr<Processes>& processes,
                             const Interrupt& interrupt) {
  const fs::path folder = out / contestant.recipe.stages.front().name;
  Place place = first_place(contestant.recipe, out, *processes);
  if (fs::exists(folder / "model")) {
    std::cerr << fmt::format("{}: is there already\n", contestant.aligner);
  } else {
    std::cerr << fmt::format("\n{}\n", contestant.aligner);
    std::optional<training::MetricsLog> log;
    if (!train_stage(options, contestant.recipe, 0, place, folder, processes, interrupt,
                     clock_into(folder, log)))
      return std::nullopt;
  }
  place.model = (folder / "model").string();
  return place;
}

}  // namespace

int compare(const Options& options) {
  engine::prepare_arithmetic(options.load);
  const fs::path& file = options.recipes.front();
  const auto contestants = recipe::load_comparison(file, options.aligners, options.sets);
  recipe::check_files(contestants.front().recipe);
  const auto processes = Processes::from_environment();
  if (processes->world() > 1) throw UsageError("compare runs in one process");

  Comparison comparison;
  comparison.recipe = contestants.front().recipe;
  comparison.recipe.name = contestants.front().comparison;
  comparison.threads = at::get_num_threads();
  comparison.frozen = open_frozen(comparison.recipe);
  comparison.questions = shown_questions(comparison.recipe.stages.front(), kShownQuestions);
  const fs::path out =
      options.out.empty() ? fs::path("compared") / comparison.recipe.name : options.out;
  fs::create_directories(out);

  const Interrupt interrupt;
  std::vector<Place> places;
  for (const Contestant& contestant : contestants) {
    const auto place = trained(options, contestant, out / contestant.aligner, processes, interrupt);
    if (!place) {
      std::cerr << "isthmus: interrupted; the same command goes on from here\n";
      return 1;
    }
    places.push_back(*place);
  }
  for (size_t i = 0; i < contestants.size(); ++i) {
    const Contestant& contestant = contestants[i];
    if (interrupt.pressed()) {
      std::cerr << "isthmus: interrupted; the same command measures again\n";
      return 1;
    }
    std::cerr << fmt::format("{}: measuring\n", contestant.aligner);
    comparison.measured.push_back(
        measure_aligner(contestant, comparison.frozen,
                        out / contestant.aligner / contestant.recipe.stages.front().name, places[i],
                        options.load, comparison.questions));
  }
  comparison.pairs = compare_pairs(comparison.measured);
  write_comparison_page(out / "compare.html", comparison);
  write_file(out / "compare.json", comparison_as_json(comparison).dump(1) + "\n");
  std::cout << comparison_as_text(comparison) << "\n" << (out / "compare.html").string() << "\n";
  return 0;
}

}  // namespace isthmus::cli
