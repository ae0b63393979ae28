// The command line: every verb and flag, without libtorch, so that --help and mistakes answer at once.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

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
  bool generate_given = false;       // a generation flag was used: it overrides the request's own field
  bool hidden = false;

  // describe
  bool summary = false;
  std::string image_size;

  // verify
  std::filesystem::path golden;

  // bench
  int64_t repetitions = 3, prompt_tokens = 64, new_tokens = 32;
};

// What became of parsing: either a verb to run, or an exit status (help was shown, or a mistake reported).
struct Parsed {
  bool run = false;
  int status = 0;
  Options options;
};

Parsed parse_command_line(int argc, char** argv);
// True for verbs that multiply matrices and so need libtorch.
bool needs_compute(const std::string& verb);

}  // namespace isthmus::cli
