#include "eval/trial.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "metrics/vqa_answer.h"

namespace isthmus::eval {
namespace {

class Run {
 public:
  Run(const Trial& trial, const EvalOptions& options, const PickShots& pick, Subject& subject)
      : data_(trial.data), trial_(trial), options_(options), pick_(pick), subject_(subject) {}

  // A batch with a broken picture is asked for sample by sample.
  std::vector<Record> answer(std::span<const uint64_t> places) {
    try {
      return answer_together(places);
    } catch (const InputError&) {
      if (!options_.skip_broken) throw;
    }
    std::vector<Record> records;
    for (const uint64_t place : places) {
      try {
        records.push_back(std::move(answer_together(std::span(&place, 1)).front()));
      } catch (const InputError& error) {
        Record record;
        record.place = place;
        record.id = data_.test[place].id;
        record.error = error.what();
        records.push_back(std::move(record));
      }
    }
    return records;
  }

 private:
  std::vector<Record> answer_together(std::span<const uint64_t> places) {
    std::vector<Record> records;
    std::vector<Request> requests;
    for (const uint64_t place : places) {
      const Sample& sample = data_.test[place];
      const auto demonstrations = picked(place);
      Record record;
      record.place = place;
      record.id = sample.id;
      for (const size_t index : demonstrations)
        record.demonstrations.push_back(data_.train[index].id);
      records.push_back(std::move(record));
      requests.push_back(data_.request(sample, demonstrations, trial_.shots));
    }
    data_.ranks_classes() ? rank(requests, records) : generate(requests, records);
    return records;
  }

  std::vector<size_t> picked(uint64_t place) {
    const auto count = static_cast<size_t>(demonstration_count(trial_.shots, options_));
    if (count == 0) return {};
    auto demonstrations = pick_(place, count);
    if (demonstrations.size() < count)
      throw UsageError(fmt::format(
          "{}: sample {} can have {} demonstrations (examples with its own picture are left out), "
          "{} are asked for",
          label_of(trial_), data_.test[place].id, demonstrations.size(), count));
    return demonstrations;
  }

  void generate(std::span<const Request> requests, std::vector<Record>& records) {
    auto outputs = subject_.generate(requests);
    ISTHMUS_CHECK(outputs.size() == records.size(), "one text per request");
    for (size_t i = 0; i < records.size(); ++i) {
      records[i].prediction = data_.task->kind == TaskKind::kVqa
                                  ? metrics::extract_vqa_answer(outputs[i])
                                  : metrics::extract_caption(outputs[i]);
      records[i].output = std::move(outputs[i]);
    }
  }

  void rank(std::span<const Request> requests, std::vector<Record>& records) {
    auto log_probs = subject_.rank(requests, data_.class_names);
    ISTHMUS_CHECK(log_probs.size() == records.size(), "one row of classes per request");
    for (size_t i = 0; i < records.size(); ++i) {
      auto& row = log_probs[i];
      ISTHMUS_CHECK(row.size() == data_.class_names.size(), "one value per class");
      if (!std::all_of(row.begin(), row.end(), [](double value) { return std::isfinite(value); }))
        throw ModelError(
            fmt::format("{}: sample {}: the log-probability of a class is not a finite number",
                        label_of(trial_), records[i].id));
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      records[i].prediction = data_.class_names[static_cast<size_t>(best)];
      records[i].output = records[i].prediction;
      records[i].class_log_probs = std::move(row);
    }
  }

  const TaskData& data_;
  const Trial& trial_;
  const EvalOptions& options_;
  const PickShots& pick_;
  Subject& subject_;
};

}  // namespace

std::string label_of(const Trial& trial) {
  return fmt::format("{}, {} shots, seed {}", trial.data.task->name, trial.shots, trial.seed);
}

bool run_trial(const Trial& trial, const EvalOptions& options, const PickShots& pick,
               Subject& subject, ResultsFile& results, const EvalCallbacks& callbacks) {
  for (const auto& [place, record] : results.records())
    if (place >= trial.data.test.size() || trial.data.test[place].id != record.id)
      throw InputError(
          fmt::format("{}: sample {} at place {} is none of this task; remove the file "
                      "to begin anew",
                      results.path().string(), record.id, place));
  std::vector<uint64_t> open;
  for (uint64_t place = 0; place < trial.data.test.size(); ++place)
    if (!results.records().contains(place)) open.push_back(place);
  const auto report = [&] {
    if (callbacks.progress)
      callbacks.progress({label_of(trial), static_cast<int64_t>(results.records().size()),
                          static_cast<int64_t>(trial.data.test.size())});
  };
  report();
  Run run(trial, options, pick, subject);
  const auto step = static_cast<size_t>(std::max<int64_t>(options.batch, 1));
  for (size_t first = 0; first < open.size(); first += step) {
    if (callbacks.cancelled && callbacks.cancelled()) return false;
    const size_t count = std::min(step, open.size() - first);
    results.append(run.answer(std::span(open).subspan(first, count)));
    report();
  }
  return true;
}

}  // namespace isthmus::eval
