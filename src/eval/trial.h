// One trial: a task at one number of shots with one seed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "eval/results_file.h"
#include "eval/subject.h"
#include "eval/task_data.h"

namespace isthmus::eval {

// Demonstrations for the sample at a place of the test set: indices into the training examples, in
// the order of the prompt.
using PickShots = std::function<std::vector<size_t>(uint64_t place, size_t count)>;

struct Trial {
  const TaskData& data;
  int64_t shots;
  uint64_t seed;
};

// "coco, 4 shots, seed 42"
std::string label_of(const Trial& trial);

// Asks for every sample that `results` does not hold yet, batch by batch. A sample whose pictures
// cannot be used gets a record that says so if broken entries are skipped, and throws otherwise.
// False: cancelled.
bool run_trial(const Trial& trial, const EvalOptions& options, const PickShots& pick,
               Subject& subject, ResultsFile& results, const EvalCallbacks& callbacks);

}  // namespace isthmus::eval
