#include "align.h"

#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "engine/load.h"
#include "interrupt.h"
#include "train_stage.h"
#include "training/processes.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;
using recipe::Recipe;
using training::Processes;

int align(const Options& options, const fs::path& file) {
  const Recipe recipe = recipe::load_recipe(file, options.sets);
  recipe::check_files(recipe);
  const fs::path out = options.out.empty() ? fs::path("aligned") / recipe.name : options.out;
  fs::create_directories(out);
  const auto processes = Processes::from_environment();
  Place place = first_place(recipe, out, *processes);
  const Interrupt interrupt;
  for (size_t i = 0; i < recipe.stages.size(); ++i) {
    const fs::path folder = out / recipe.stages[i].name;
    if (fs::exists(folder / "model")) {
      if (processes->is_first())
        std::cerr << fmt::format("stage {}: is there already\n", recipe.stages[i].name);
    } else if (!train_stage(options, recipe, i, place, folder, processes, interrupt)) {
      if (processes->is_first())
        std::cerr << "isthmus: interrupted; the same command goes on from here\n";
      return 1;
    }
    place.model = (folder / "model").string();
    // What a stage writes whole needs no base any more.
    if (fs::exists(folder / "model/tokenizer.model") || fs::exists(folder / "model/tokenizer.json"))
      place.base.clear();
  }
  if (processes->is_first()) std::cout << place.model << "\n";
  return 0;
}

}  // namespace

int align(const Options& options) {
  engine::prepare_arithmetic(options.load);
  for (const fs::path& recipe : options.recipes)
    if (const int status = align(options, recipe); status != 0) return status;
  return 0;
}

}  // namespace isthmus::cli
