#include "eval/evaluate.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "eval/embeddings.h"
#include "eval/report_html.h"
#include "eval/trial.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

// In ascending order, once each.
template <typename T>
std::vector<T> distinct_sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

EvalOptions checked(EvalOptions options) {
  if (options.tasks.empty()) throw UsageError("nothing to evaluate: no task and no data is given");
  if (options.shots.empty()) throw UsageError("no number of shots is given");
  if (options.seeds.empty()) throw UsageError("no seed is given");
  for (const int64_t shots : options.shots)
    if (shots < 0) throw UsageError(fmt::format("{} shots are not possible", shots));
  options.shots = distinct_sorted(std::move(options.shots));
  // RICES draws nothing: every seed would give the same prompts.
  if (options.selection == Selection::kRices) options.seeds.resize(1);
  return options;
}

// Scores what a results file holds.
TrialReport judge(const TaskData& data, uint64_t seed, const ResultsFile& results,
                  const Scorers& scorers) {
  TrialReport report;
  report.seed = seed;
  report.results = std::filesystem::path("results") / results.path().filename();
  std::vector<Outcome> outcomes;
  std::vector<size_t> scored;  // indices of their records
  for (const auto& [place, record] : results.records()) {
    const Sample& sample = data.test[place];
    if (!record.error.empty()) {
      ++report.broken;
    } else if (!sample.has_answer()) {
      ++report.unscored;
    } else {
      scored.push_back(report.records.size());
      outcomes.push_back({&sample, record.prediction, record.class_log_probs});
    }
    report.records.push_back(record);
  }
  report.scored = static_cast<int64_t>(outcomes.size());
  report.scores.resize(report.records.size());
  if (outcomes.empty()) return report;
  report.metrics = scorers.of(data.task->kind)(outcomes, data.class_names);
  const auto detailed = std::find_if(
      report.metrics.begin(), report.metrics.end(),
      [&](const Metric& metric) { return metric.per_sample.size() == outcomes.size(); });
  if (detailed != report.metrics.end())
    for (size_t i = 0; i < scored.size(); ++i) report.scores[scored[i]] = detailed->per_sample[i];
  return report;
}

class Evaluation {
 public:
  Evaluation(const EvalOptions& options, Subject& subject, const Scorers& scorers,
             const EvalCallbacks& callbacks)
      : options_(checked(options)), subject_(subject), scorers_(scorers), callbacks_(callbacks) {
    report_.model = options_.model;
    report_.fingerprint = subject_.fingerprint();
  }

  Report run() {
    // Everything that can be wrong with the data is found before the first hour of work.
    std::set<std::string_view> names;
    for (const TaskRequest& request : options_.tasks) {
      TaskReport task{load_task(request, options_), {}, {}};
      if (!names.insert(task.data.task->name).second)
        throw UsageError(fmt::format("the task {} is given twice", task.data.task->name));
      task.settings = settings_of(task.data, options_, report_.fingerprint);
      report_.tasks.push_back(std::move(task));
    }
    make_folders();
    report_.finished = true;
    for (TaskReport& task : report_.tasks) {
      report_.finished = report_.finished && run_task(task);
      write_reports();
    }
    return std::move(report_);
  }

 private:
  void make_folders() {
    std::error_code error;
    std::filesystem::create_directories(options_.out / "results", error);
    if (error)
      throw ResourceError(
          fmt::format("{}: cannot be made: {}", options_.out.string(), error.message()));
  }

  bool run_task(TaskReport& task) {
    std::optional<NearestPicks> nearest;
    if (options_.selection == Selection::kRices && !task.data.train.empty()) {
      if (!cache_) cache_.emplace(feature_folder(), report_.fingerprint);
      if (!embed(task.data)) return false;
      nearest.emplace(task.data, *cache_, most_demonstrations());
    }
    for (const int64_t shots : options_.shots) {
      ShotReport shot{shots, {}};
      for (const uint64_t seed : options_.seeds) {
        const Trial trial{task.data, shots, seed};
        ResultsFile results(results_path(trial), settings_of_trial(task, trial));
        const RandomShots random(task.data.train, seed, options_.query_set_size);
        const PickShots pick = [&](uint64_t place, size_t count) {
          return nearest ? nearest->pick(place, count)
                         : random.pick(task.data.test[place], place, count);
        };
        if (!run_trial(trial, options_, pick, subject_, results, callbacks_)) return false;
        shot.trials.push_back(judge(task.data, seed, results, scorers_));
      }
      task.shots.push_back(std::move(shot));
    }
    return true;
  }

  // The nearest examples of every sample for the largest number of shots, found once.
  class NearestPicks {
   public:
    NearestPicks(const TaskData& data, const FeatureCache& cache, size_t most)
        : data_(data),
          shots_(data.train, embeddings_of(data.train, cache)),
          embeddings_(embeddings_of(data.test, cache)),
          most_(most) {}

    std::vector<size_t> pick(uint64_t place, size_t count) {
      const std::vector<float>* embedding = embeddings_[place];
      if (embedding == nullptr)
        throw InputError(fmt::format("{}: has no features", data_.test[place].image.string()));
      auto [found, is_new] = picked_.try_emplace(place);
      if (is_new) found->second = shots_.pick(data_.test[place], *embedding, most_);
      const auto& all = found->second;
      return {all.end() - static_cast<std::ptrdiff_t>(std::min(count, all.size())), all.end()};
    }

   private:
    const TaskData& data_;
    NearestShots shots_;
    std::vector<const std::vector<float>*> embeddings_;
    size_t most_;
    std::unordered_map<uint64_t, std::vector<size_t>> picked_;
  };

  bool embed(TaskData& data) {
    samples::BrokenEntries broken(options_.skip_broken);
    for (const auto* samples : {&data.train, &data.test})
      if (!compute_embeddings(*samples, fmt::format("{}, features", data.task->name),
                              options_.batch, subject_, *cache_, broken, callbacks_))
        return false;
    data.broken += broken.count();
    data.complaints.insert(data.complaints.end(), broken.messages().begin(),
                           broken.messages().end());
    return true;
  }

  size_t most_demonstrations() const {
    int64_t most = 0;
    for (const int64_t shots : options_.shots)
      most = std::max(most, demonstration_count(shots, options_));
    return static_cast<size_t>(most);
  }

  std::filesystem::path feature_folder() const {
    return options_.feature_folder.empty() ? FeatureCache::default_folder()
                                           : options_.feature_folder;
  }

  std::filesystem::path results_path(const Trial& trial) const {
    return options_.out / "results" /
           fmt::format("{}_{}shots_seed{}.jsonl", trial.data.task->name, trial.shots, trial.seed);
  }

  static nlohmann::json settings_of_trial(const TaskReport& task, const Trial& trial) {
    nlohmann::json settings = task.settings;
    settings["shots"] = trial.shots;
    settings["seed"] = trial.seed;
    return settings;
  }

  void write_reports() const {
    write_file(
        options_.out / "report.json",
        to_json(report_).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    write_file(options_.out / "report.html", to_html(report_, options_.out));
  }

  EvalOptions options_;
  Subject& subject_;
  const Scorers& scorers_;
  const EvalCallbacks& callbacks_;
  std::optional<FeatureCache> cache_;
  Report report_;
};

}  // namespace

const Scorer& Scorers::of(TaskKind kind) const {
  switch (kind) {
    case TaskKind::kCaptioning: return captioning;
    case TaskKind::kVqa: return vqa;
    case TaskKind::kClassification: return classification;
  }
  return captioning;
}

Report evaluate(const EvalOptions& options, Subject& subject, const Scorers& scorers,
                const EvalCallbacks& callbacks) {
  return Evaluation(options, subject, scorers, callbacks).run();
}

}  // namespace isthmus::eval
