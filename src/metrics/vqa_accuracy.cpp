#include "metrics/vqa_accuracy.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "metrics/vqa_answer.h"

namespace isthmus::metrics {
namespace {

// Python's round(100 * share, 2): the decimal nearest to the exact binary value.
double percent(double share) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", 100 * share);
  return std::strtod(text, nullptr);
}

double accuracy_of(const VqaItem& item, VqaRule rule) {
  std::vector<std::string> answers;
  for (const std::string& answer : item.answers) answers.push_back(trim_vqa_answer(answer));
  const bool all_agree = std::all_of(answers.begin(), answers.end(),
                                     [&](const std::string& each) { return each == answers[0]; });
  std::string prediction = trim_vqa_answer(item.prediction);
  if (rule == VqaRule::kAlwaysNormalize || !all_agree) {
    for (std::string& answer : answers) answer = normalize_vqa_answer(answer);
    prediction = normalize_vqa_answer(prediction);
  }
  const auto agreeing = std::count(answers.begin(), answers.end(), prediction);
  double sum = 0;
  for (const std::string& own : answers)
    sum += std::min(1.0, static_cast<double>(agreeing - (own == prediction ? 1 : 0)) / 3);
  return sum / static_cast<double>(answers.size());
}

}  // namespace

VqaScore vqa_accuracy(std::span<const VqaItem> items, VqaRule rule) {
  if (items.empty()) throw UsageError("VQA accuracy: there is no answer to judge");
  VqaScore score;
  struct Group {
    double sum = 0;
    size_t count = 0;
  };
  Group all;
  std::map<std::string, Group> groups;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].answers.empty())
      throw InputError(
          fmt::format("VQA accuracy: item {} of {} has no annotated answer, expected at least one",
                      i, items.size()));
    const double accuracy = accuracy_of(items[i], rule);
    score.accuracies.push_back(accuracy);
    score.per_question.push_back(percent(accuracy));
    const auto add = [accuracy](Group& group) {
      group.sum += accuracy;
      ++group.count;
    };
    add(all);
    if (!items[i].answer_type.empty()) add(groups[items[i].answer_type]);
  }
  const auto mean = [](const Group& group) {
    return percent(group.sum / static_cast<double>(group.count));
  };
  score.overall = mean(all);
  for (const auto& [type, group] : groups) score.per_answer_type[type] = mean(group);
  return score;
}

}  // namespace isthmus::metrics
