#include "convert.h"

#include <iostream>

#include "engine/load.h"
#include "families/output.h"
#include "families/registry.h"

namespace isthmus::cli {

int convert(const Options& options) {
  const auto storage = families::parse_gguf_storage(options.dtype.empty() ? "f16" : options.dtype);
  engine::prepare_arithmetic(options.load);
  const auto family = families::load_family(options.model, options.base, "", options.load);
  family->save_gguf(options.out, storage);
  std::cout << options.out.string() << "\n";
  return 0;
}

}  // namespace isthmus::cli
