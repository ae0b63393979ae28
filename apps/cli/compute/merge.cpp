#include "merge.h"

#include <filesystem>
#include <iostream>

#include "engine/load.h"
#include "families/registry.h"
#include "isthmus/error.h"

namespace isthmus::cli {

int merge(const Options& options) {
  std::error_code ignored;
  if (std::filesystem::equivalent(options.out, options.model, ignored))
    throw UsageError("--out is the model itself; what it is made of would be lost");
  engine::prepare_arithmetic(options.load);
  LoadOptions load = options.load;
  load.merge_lora = true;
  const auto family = families::load_family(options.model, options.base, "", load);
  family->save(options.out, {.form = families::OutputForm::kFull,
                             .dtype = options.dtype.empty() ? "stored" : options.dtype});
  std::cout << options.out.string() << "\n";
  return 0;
}

}  // namespace isthmus::cli
