// Scores of predictions. The formulas are those of metrics/; here they get a common shape.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/sample.h"

namespace isthmus::eval {

// What came out for one sample.
struct Outcome {
  const Sample* sample;
  std::string prediction;               // as cut out of the text, or the name of the class
  std::vector<double> class_log_probs;  // classification: in the order of the class names
};

struct Interval {
  double low, high;
};

// As published: CIDEr times 100, accuracies and areas in percent.
struct Metric {
  std::string name;
  double value = 0;
  std::optional<Interval> interval;  // 95 %, by bootstrap over the samples
  std::vector<double> per_sample;    // on the same scale; empty if the metric has no such thing
};

// The first metric is the one that is shown as the score. `class_names` is empty unless classes are
// ranked. Never called without outcomes; every sample of them has references, or a label.
using Scorer = std::function<std::vector<Metric>(std::span<const Outcome> outcomes,
                                                 std::span<const std::string> class_names)>;

struct Scorers {
  Scorer captioning, vqa, classification;

  const Scorer& of(TaskKind kind) const;
};

// Captions: CIDEr, BLEU-4, ROUGE-L. Answers: VQA accuracy, and that of each type of answer.
// Classes: accuracy (of more than five also top-5) and the mean probability of the right class; of
// two classes the area under the ROC curve, which is the score if they are "no" and "yes".
Scorers standard_scorers();

}  // namespace isthmus::eval
