// The flags of `isthmus eval`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "eval/eval_options.h"

namespace isthmus::cli {

// Adds the flags to a verb; most write to `options` at once, finish() puts the others together.
class EvalFlags {
 public:
  EvalFlags(CLI::App& verb, eval::EvalOptions& options);
  EvalFlags(const EvalFlags&) = delete;
  EvalFlags& operator=(const EvalFlags&) = delete;
  // To be called once the command line was parsed. UsageError for flags that do not fit together.
  void finish();

 private:
  void add_data(CLI::App& verb);
  void add_protocol(CLI::App& verb);
  void add_generation(CLI::App& verb);

  eval::EvalOptions& options_;
  std::vector<std::string> tasks_;  // NAME or NAME=DIR
  eval::TaskFiles files_;
};

}  // namespace isthmus::cli
