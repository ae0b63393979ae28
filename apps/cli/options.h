// The command line: every verb and flag, without libtorch, so that --help and mistakes answer at
// once.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../server/settings.h"
#include "eval/eval_options.h"
#include "isthmus/generation.h"
#include "isthmus/input.h"
#include "isthmus/model.h"

namespace isthmus::cli {

// --audio FILE, --media ecg=FILE, …
struct MediumFlag {
  std::string modality;
  std::filesystem::path file;
};

struct Options {
  std::string verb;
  std::string model, base;
  LoadOptions load;
  std::set<std::string> storage_given;  // the parts of which --storage spoke
  bool json = false, verbose = false;

  // run, trace
  std::filesystem::path request, out;
  std::vector<MediumFlag> media;              // of all kinds, in the order of the command line
  std::vector<std::filesystem::path> images;  // those of --image
  std::filesystem::path rgb, mask;            // of depth and normal maps; of fmri
  std::string depth_unit;
  std::optional<double> start, end;  // seconds
  std::string prompt, system, conversation_template;
  GenerationConfig generate;
  std::set<std::string> given_flags;              // "--seed", … as far as they were used
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

  // align, pretrain, compare
  std::vector<std::filesystem::path> recipes;
  std::vector<std::string> sets;      // KEY=VALUE on top of it
  std::vector<std::string> aligners;  // of compare
  bool anyway = false;                // start although the memory estimated is not there

  // merge, convert
  std::string dtype, format;

  // verify
  std::filesystem::path golden;

  // serve
  std::vector<std::string> models;
  std::string served_name;
  server::Settings server;
  std::filesystem::path api_key_file;
  std::string log_format = "text";           // or "json"
  std::vector<std::string> served_aligners;  // [MODEL/]NAME=PATH
  int64_t longest_queue = 64, drain_seconds = 30;
  int64_t kv_cache_bytes = 0;  // of each model; 0: by the memory that is free

  // bench
  int64_t repetitions = 3, prompt_tokens = 64, new_tokens = 32;
  std::optional<int64_t> bench_shots;  // examples before the question
  bool text_only = false;
  int64_t bench_batch = 0;  // most requests answered together; 0: that is not measured
};

// `run` is false when nothing is left to do: help or the version was asked for, and shown.
struct Parsed {
  bool run = false;
  Options options;
};

// Throws UsageError for an unknown verb, an unknown flag, or a value that a flag does not take.
Parsed parse_command_line(int argc, char** argv);
// The media of the command line, with --rgb for depth and normal maps, --mask for brain scans and
// --start and --end for whatever lasts. Throws UsageError where one of these flags has nothing to
// go with.
std::vector<Part> media_parts(const Options& options);
// What a request asks for, with the generation flags that were used in place of its own fields.
GenerationConfig with_flags(GenerationConfig requested, const Options& options);
// "stored", "f32", … "q4".
bool is_storage(std::string_view word);
// True for verbs that multiply matrices and so need libtorch.
bool needs_compute(const std::string& verb);

}  // namespace isthmus::cli
