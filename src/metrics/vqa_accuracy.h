// Accuracy of short answers against those of several annotators (Antol et al. 2015).
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

namespace isthmus::metrics {

struct VqaItem {
  std::string prediction;
  std::vector<std::string> answers;  // one per annotator
  std::string answer_type;           // "yes/no", "number", "other"; empty: in no group
};

enum class VqaRule {
  kAlwaysNormalize,          // OpenFlamingo's published numbers
  kNormalizeUnlessAllAgree,  // the VQA challenge: answers that all agree are compared as they are
};

struct VqaScore {
  double overall = 0;                             // percent, two decimals
  std::map<std::string, double> per_answer_type;  // the same
  std::vector<double> per_question;               // the same
  std::vector<double> accuracies;                 // per question, 0 to 1, not rounded
};

// A question counts the mean over the annotators of min(1, others who answered so / 3), the
// annotator's own answer left out. Percentages are rounded as Python rounds. Throws UsageError if
// there is no item, InputError if one has no answer.
VqaScore vqa_accuracy(std::span<const VqaItem> items, VqaRule rule);

}  // namespace isthmus::metrics
