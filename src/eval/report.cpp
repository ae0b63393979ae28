#include "eval/report.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "isthmus/version.h"

namespace isthmus::eval {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const std::optional<Interval>& interval) {
  return interval ? ordered_json{interval->low, interval->high} : ordered_json();
}

ordered_json to_json(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json sample_json(const TaskData& data, const Record& record,
                         const std::optional<double>& score) {
  const Sample& sample = data.test[record.place];
  ordered_json json{{"id", sample.id}, {"image", sample.image.string()}};
  if (data.task->kind == TaskKind::kVqa) json["question"] = sample.question;
  if (!sample.ocr.empty()) json["ocr"] = sample.ocr;
  if (!sample.references.empty()) json["references"] = sample.references;
  if (!sample.label.empty()) json["label"] = sample.label;
  if (!record.error.empty()) {
    json["error"] = record.error;
    return json;
  }
  json["prediction"] = record.prediction;
  if (record.output != record.prediction) json["output"] = record.output;
  if (!record.class_log_probs.empty()) json["class_log_probs"] = record.class_log_probs;
  json["demonstrations"] = record.demonstrations;
  json["score"] = to_json(score);
  return json;
}

ordered_json trial_json(const TaskData& data, const TrialReport& trial) {
  ordered_json json{{"seed", trial.seed},
                    {"scored", trial.scored},
                    {"broken", trial.broken},
                    {"unscored", trial.unscored},
                    {"results", trial.results.string()},
                    {"metrics", ordered_json::array()},
                    {"samples", ordered_json::array()}};
  for (const Metric& metric : trial.metrics)
    json["metrics"].push_back(
        {{"name", metric.name}, {"value", metric.value}, {"interval", to_json(metric.interval)}});
  for (size_t i = 0; i < trial.records.size(); ++i)
    json["samples"].push_back(sample_json(data, trial.records[i], trial.scores[i]));
  return json;
}

ordered_json task_json(const TaskReport& task) {
  const TaskData& data = task.data;
  ordered_json files = ordered_json::array();
  for (const auto* list : {&data.files.test, &data.files.train})
    for (const auto& file : *list) files.push_back(file.string());
  ordered_json json{{"name", data.task->name},
                    {"title", data.task->title},
                    {"kind", name_of(data.task->kind)},
                    {"metric", task.metric()},
                    {"samples", data.test.size()},
                    {"examples", data.train.size()},
                    {"broken_entries", data.broken},
                    {"complaints", data.complaints},
                    {"files", files},
                    {"settings", task.settings},
                    {"shots", ordered_json::array()}};
  for (const ShotReport& shot : task.shots) {
    ordered_json trials = ordered_json::array();
    for (const TrialReport& trial : shot.trials) trials.push_back(trial_json(data, trial));
    json["shots"].push_back({{"shots", shot.shots},
                             {"score", to_json(shot.score())},
                             {"interval", to_json(shot.interval())},
                             {"deviation", to_json(shot.deviation())},
                             {"trials", trials}});
  }
  return json;
}

}  // namespace

std::optional<double> ShotReport::score() const {
  double sum = 0;
  for (const TrialReport& trial : trials) {
    if (trial.metrics.empty()) return std::nullopt;
    sum += trial.metrics.front().value;
  }
  return trials.empty() ? std::nullopt : std::optional(sum / static_cast<double>(trials.size()));
}

std::optional<Interval> ShotReport::interval() const {
  Interval sum{0, 0};
  for (const TrialReport& trial : trials) {
    if (trial.metrics.empty() || !trial.metrics.front().interval) return std::nullopt;
    sum.low += trial.metrics.front().interval->low;
    sum.high += trial.metrics.front().interval->high;
  }
  if (trials.empty()) return std::nullopt;
  const auto count = static_cast<double>(trials.size());
  return Interval{sum.low / count, sum.high / count};
}

std::optional<double> ShotReport::deviation() const {
  const auto mean = score();
  if (!mean || trials.size() < 2) return std::nullopt;
  double squares = 0;
  for (const TrialReport& trial : trials)
    squares += std::pow(trial.metrics.front().value - *mean, 2);
  return std::sqrt(squares / static_cast<double>(trials.size() - 1));
}

std::string TaskReport::metric() const {
  for (const ShotReport& shot : shots)
    for (const TrialReport& trial : shot.trials)
      if (!trial.metrics.empty()) return trial.metrics.front().name;
  return "";
}

std::string TaskReport::sample_metric() const {
  for (const ShotReport& shot : shots)
    for (const TrialReport& trial : shot.trials)
      for (const Metric& metric : trial.metrics)
        if (!metric.per_sample.empty()) return metric.name;
  return "";
}

std::vector<WorstExample> worst_examples(const TaskReport& task, size_t count) {
  std::vector<WorstExample> examples;
  if (task.shots.empty() || task.shots.back().trials.empty()) return examples;
  const TrialReport& trial = task.shots.back().trials.front();
  for (size_t i = 0; i < trial.records.size(); ++i)
    if (trial.scores[i])
      examples.push_back(
          {&task.data.test[trial.records[i].place], &trial.records[i], *trial.scores[i]});
  std::stable_sort(examples.begin(), examples.end(),
                   [](const WorstExample& a, const WorstExample& b) { return a.score < b.score; });
  if (examples.size() > count) examples.resize(count);
  return examples;
}

ordered_json to_json(const Report& report) {
  ordered_json json{{"format", "isthmus eval report 1"},
                    {"version", version()},
                    {"model", report.model},
                    {"fingerprint", report.fingerprint},
                    {"finished", report.finished},
                    {"tasks", ordered_json::array()}};
  for (const TaskReport& task : report.tasks) json["tasks"].push_back(task_json(task));
  return json;
}

std::string to_text(const Report& report) {
  std::set<int64_t> columns;
  size_t width = 4;
  for (const TaskReport& task : report.tasks) {
    for (const ShotReport& shot : task.shots) columns.insert(shot.shots);
    width = std::max(width, task.data.task->title.size() + task.metric().size() + 2);
  }
  std::string text = fmt::format("{:<{}}", "shots", width);
  for (const int64_t shots : columns) text += fmt::format("  {:>20}", shots);
  for (const TaskReport& task : report.tasks) {
    text +=
        fmt::format("\n{:<{}}", fmt::format("{}, {}", task.data.task->title, task.metric()), width);
    for (const int64_t shots : columns) {
      const auto found = std::find_if(task.shots.begin(), task.shots.end(),
                                      [&](const ShotReport& shot) { return shot.shots == shots; });
      std::string cell = "-";
      if (found != task.shots.end())
        if (const auto score = found->score()) {
          cell = fmt::format("{:.1f}", *score);
          if (const auto interval = found->interval())
            cell += fmt::format(" [{:.1f}, {:.1f}]", interval->low, interval->high);
        }
      text += fmt::format("  {:>20}", cell);
    }
  }
  return text + "\n";
}

}  // namespace isthmus::eval
