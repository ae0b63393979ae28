// The formulas of metrics/ in the shape of a Scorer.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "eval/scorer.h"
#include "metrics/bleu.h"
#include "metrics/bootstrap.h"
#include "metrics/cider.h"
#include "metrics/classification.h"
#include "metrics/rouge_l.h"
#include "metrics/vqa_accuracy.h"

namespace isthmus::eval {
namespace {

constexpr double kPercent = 100;

std::vector<double> scaled(std::vector<double> values) {
  for (double& value : values) value *= kPercent;
  return values;
}

std::optional<Interval> interval_of(const metrics::ConfidenceInterval& found) {
  if (std::isnan(found.low) || std::isnan(found.high)) return std::nullopt;
  return Interval{found.low, found.high};
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The mean of values that are in percent already.
Metric mean_metric(std::string name, std::vector<double> per_sample) {
  Metric metric{std::move(name), mean(per_sample), {}, {}};
  metric.interval = interval_of(metrics::bootstrap_mean(per_sample, {}));
  metric.per_sample = std::move(per_sample);
  return metric;
}

std::vector<Metric> score_captions(std::span<const Outcome> outcomes,
                                   std::span<const std::string>) {
  std::vector<metrics::CaptionItem> items;
  for (const Outcome& outcome : outcomes)
    items.push_back(metrics::tokenize_captions(outcome.prediction, outcome.sample->references));
  const auto counts = metrics::bleu_counts(items);
  Metric bleu{"BLEU-4", kPercent * metrics::bleu_of(counts)[3], {}, {}};
  bleu.interval =
      interval_of(metrics::bootstrap(static_cast<int64_t>(items.size()),
                                     [&](std::span<const int64_t> chosen) {
                                       return kPercent * metrics::bleu_of(counts, chosen)[3];
                                     },
                                     {}));
  return {mean_metric("CIDEr", scaled(metrics::cider_d(items).per_image)), bleu,
          mean_metric("ROUGE-L", scaled(metrics::rouge_l(items).per_image))};
}

std::vector<Metric> score_answers(std::span<const Outcome> outcomes, std::span<const std::string>) {
  std::vector<metrics::VqaItem> items;
  for (const Outcome& outcome : outcomes)
    items.push_back({outcome.prediction, outcome.sample->references, outcome.sample->answer_type});
  const auto score = metrics::vqa_accuracy(items, metrics::VqaRule::kAlwaysNormalize);
  std::vector<Metric> found{mean_metric("VQA accuracy", scaled(score.accuracies))};
  for (const auto& [type, accuracy] : score.per_answer_type)
    found.push_back({type, accuracy, {}, {}});
  return found;
}

std::vector<double> softmax(std::span<const double> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> shares;
  for (const double logit : logits) shares.push_back(std::exp(logit - largest));
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= sum;
  return shares;
}

struct Ranked {
  std::vector<int64_t> labels;
  std::vector<double> right, of_last, correct;  // probabilities of two classes; 0 or 100
  std::vector<double> all;                      // [samples, classes]
};

Ranked rank(std::span<const Outcome> outcomes, std::span<const std::string> class_names) {
  Ranked ranked;
  for (const Outcome& outcome : outcomes) {
    const auto place = std::find(class_names.begin(), class_names.end(), outcome.sample->label);
    const auto label = static_cast<size_t>(place - class_names.begin());
    const auto shares = softmax(outcome.class_log_probs);
    ranked.labels.push_back(static_cast<int64_t>(label));
    ranked.right.push_back(label < shares.size() ? kPercent * shares[label] : 0);
    ranked.of_last.push_back(shares.back());
    ranked.correct.push_back(outcome.prediction == outcome.sample->label ? kPercent : 0);
    ranked.all.insert(ranked.all.end(), shares.begin(), shares.end());
  }
  return ranked;
}

// Of the second of two classes. None if only one of them occurs.
std::vector<Metric> roc_auc(const Ranked& ranked) {
  const double area = metrics::roc_auc(ranked.of_last, ranked.labels);
  if (std::isnan(area)) return {};
  Metric metric{"ROC-AUC", kPercent * area, {}, {}};
  metric.interval = interval_of(
      metrics::bootstrap(static_cast<int64_t>(ranked.labels.size()),
                         [&](std::span<const int64_t> chosen) {
                           std::vector<double> scores;
                           std::vector<int64_t> labels;
                           for (const int64_t index : chosen) {
                             scores.push_back(ranked.of_last[static_cast<size_t>(index)]);
                             labels.push_back(ranked.labels[static_cast<size_t>(index)]);
                           }
                           return kPercent * metrics::roc_auc(scores, labels);
                         },
                         {}));
  return {metric};
}

std::vector<Metric> score_classes(std::span<const Outcome> outcomes,
                                  std::span<const std::string> class_names) {
  constexpr int64_t kTop = 5;
  const Ranked ranked = rank(outcomes, class_names);
  const auto classes = static_cast<int64_t>(class_names.size());
  Metric accuracy = mean_metric("accuracy", ranked.correct);
  accuracy.per_sample.clear();  // the probability tells more of a sample than right or wrong
  std::vector<Metric> found = classes == 2 ? roc_auc(ranked) : std::vector<Metric>{};
  // Whether something is so is asked of rare things, where accuracy says little: the area is the
  // published score of Hateful Memes.
  const bool yes_or_no = classes == 2 && class_names[0] == "no" && class_names[1] == "yes";
  found.insert(yes_or_no ? found.end() : found.begin(), accuracy);
  if (classes > kTop)
    found.push_back({"top-5 accuracy",
                     kPercent * metrics::top_k_accuracy(ranked.all, classes, ranked.labels, kTop),
                     {},
                     {}});
  found.push_back(mean_metric("probability of the right class", ranked.right));
  return found;
}

}  // namespace

Scorers standard_scorers() { return {score_captions, score_answers, score_classes}; }

}  // namespace isthmus::eval
