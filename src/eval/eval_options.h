// What an evaluation is asked to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/shots.h"
#include "eval/task.h"
#include "isthmus/generation.h"

namespace isthmus::eval {

// A task and where its files are: in `folder` under their published names, or as `files` says.
struct TaskRequest {
  std::string name;  // of task_table(); empty: what kind of data it is shows in the files
  std::filesystem::path folder;
  TaskFiles files;
};

struct EvalOptions {
  std::vector<TaskRequest> tasks;
  std::vector<int64_t> shots{0, 4, 8, 16, 32};
  std::vector<uint64_t> seeds{42};
  Selection selection = Selection::kRandom;
  int64_t query_set_size = 2048;         // of random selection; 0: all training examples
  int64_t zero_shot_demonstrations = 2;  // texts without pictures that show the form at 0 shots
  int64_t limit = 0;                     // samples per task, drawn at random; 0: all
  int64_t batch = 8;
  bool skip_broken = false;
  std::string form;  // name or file; empty: the task's own
  // In place of the settings of the task.
  std::optional<int64_t> max_new_tokens, min_new_tokens, num_beams;
  std::optional<double> length_penalty;
  std::filesystem::path out;             // folder of results and reports
  std::filesystem::path feature_folder;  // empty: FeatureCache::default_folder()
  std::string against;                   // a storage or a model to be held against; empty: none
  std::string model;                     // how the report calls it; not a part of the settings
};

struct EvalProgress {
  std::string label;            // "coco, 4 shots, seed 42"
  int64_t done = 0, total = 0;  // samples of this stage
};

struct EvalCallbacks {
  // Called when a stage begins (done: what an earlier run left), then after every batch.
  std::function<void(const EvalProgress&)> progress;
  // Asked before every batch; true saves what is there and ends.
  std::function<bool()> cancelled;
};

}  // namespace isthmus::eval
