// A task with everything it needs in memory: samples, form, classes, generation settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "eval/eval_options.h"
#include "eval/sample.h"
#include "isthmus/input.h"
#include "text/few_shot_form.h"

namespace isthmus::eval {

struct TaskData {
  const Task* task;
  text::FewShotForm form;
  GenerationConfig generate;
  std::vector<std::string> class_names;  // empty unless classes are ranked
  std::vector<Sample> test, train;       // pictures as absolute paths; all of `train` has answers
  TaskFiles files;
  int64_t broken = 0;                      // entries and pictures left out
  std::vector<std::string> complaints;     // why, of the first of them
  uint64_t test_hash = 0, train_hash = 0;  // of the content, wherever it lies

  bool ranks_classes() const { return task->kind == TaskKind::kClassification; }
  // The literal prompt of a sample after demonstrations from `train`.
  Request request(const Sample& sample, const std::vector<size_t>& demonstrations,
                  int64_t shots) const;
};

// Reads the files and checks that there is all the evaluation needs: pictures, answers, classes,
// enough examples. UsageError or InputError otherwise.
TaskData load_task(const TaskRequest& request, const EvalOptions& options);

// How many demonstrations stand in a prompt of `shots`.
int64_t demonstration_count(int64_t shots, const EvalOptions& options);
// What results depend on, besides the number of shots and the seed.
nlohmann::json settings_of(const TaskData& data, const EvalOptions& options,
                           const std::string& fingerprint);

}  // namespace isthmus::eval
