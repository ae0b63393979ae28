// What an evaluation found, and its forms: JSON, a page, a table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "eval/results_file.h"
#include "eval/scorer.h"
#include "eval/task_data.h"

namespace isthmus::eval {

struct TrialReport {
  uint64_t seed = 0;
  std::filesystem::path results;                 // relative to the report
  std::vector<Metric> metrics;                   // empty: nothing could be scored
  std::vector<Record> records;                   // by place
  std::vector<std::optional<double>> scores;     // per record, of the first metric that has them
  int64_t scored = 0, broken = 0, unscored = 0;  // the last: samples without references
};

struct ShotReport {
  int64_t shots = 0;
  std::vector<TrialReport> trials;  // one per seed

  // Means over the seeds; absent if nothing could be scored.
  std::optional<double> score() const;
  std::optional<Interval> interval() const;
  std::optional<double> deviation() const;  // of the scores of the seeds; two or more
};

struct TaskReport {
  TaskData data;
  nlohmann::json settings;
  std::vector<ShotReport> shots;  // in ascending order, only what is complete

  std::string metric() const;         // name of the score
  std::string sample_metric() const;  // name of the score of single samples
};

struct Report {
  std::string model, fingerprint;
  bool finished = false;  // false: cancelled, the rest is missing
  std::vector<TaskReport> tasks;
};

// A record with its score, out of the trials at the largest number of shots: the lowest first.
struct WorstExample {
  const Sample* sample;
  const Record* record;
  double score;
};
std::vector<WorstExample> worst_examples(const TaskReport& task, size_t count);

nlohmann::ordered_json to_json(const Report& report);
// A table for a terminal: a line per task, a column per number of shots.
std::string to_text(const Report& report);

}  // namespace isthmus::eval
