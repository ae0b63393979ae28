// The command line: every verb and flag, without libtorch, so that --help and mistakes answer at
// once.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "eval/eval_options.h"
#include "isthmus/generation.h"
#include "isthmus/model.h"

namespace isthmus::cli {

struct Options {
  std::string verb;
  std::string model, base;
  LoadOptions load;
  bool json = false, verbose = false;

  // run, trace
  std::filesystem::path request, out;
  std::vector<std::filesystem::path> images;
  std::string prompt, system, conversation_template;
  GenerationConfig generate;
  std::set<std::string> given_flags;  // "--seed", … as far as they were used
  std::vector<std::string> shot;                  // FILE=TEXT
  std::filesystem::path shots_from, shot_images;  // a file of examples, the folder of its pictures
  int64_t shots = 4;
  std::string select = "random";
  bool skip_broken = false;
  bool literal = false;  // the prompt is in the reference's spelling, <image> and all
  bool hidden = false;

  // describe
  bool summary = false;
  std::string image_size;

  // eval
  eval::EvalOptions eval;

  // verify
  std::filesystem::path golden;

  // bench
  int64_t repetitions = 3, prompt_tokens = 64, new_tokens = 32;
  std::optional<int64_t> bench_shots;  // examples before the question
};

// `run` is false when nothing is left to do: help or the version was asked for, and shown.
struct Parsed {
  bool run = false;
  Options options;
};

// Throws UsageError for an unknown verb, an unknown flag, or a value that a flag does not take.
Parsed parse_command_line(int argc, char** argv);
// What a request asks for, with the generation flags that were used in place of its own fields.
GenerationConfig with_flags(GenerationConfig requested, const Options& options);
// True for verbs that multiply matrices and so need libtorch.
bool needs_compute(const std::string& verb);

}  // namespace isthmus::cli
