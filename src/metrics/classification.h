// Accuracy and ranking quality of classifiers.
#pragma once

#include <cstdint>
#include <span>

namespace isthmus::metrics {

// The share of predictions that equal their label. Throws UsageError for empty or unequal spans.
double accuracy(std::span<const int64_t> predictions, std::span<const int64_t> labels);

// The share of rows whose label is among the k highest scores. Row-major [rows, classes]; of equal
// scores the lower class ranks higher. Throws UsageError for sizes that do not fit, k below 1 or
// above the number of classes; InputError for a label outside the classes and for scores that are
// not numbers.
double top_k_accuracy(std::span<const double> scores, int64_t classes,
                      std::span<const int64_t> labels, int64_t k);

// Area under the ROC curve for labels 0 and 1: how often a positive scores higher than a negative,
// ties counting half (average ranks). NaN if only one class occurs: the area is not defined then.
// Throws UsageError for empty or unequal spans, InputError for other labels and for scores that
// are not numbers.
double roc_auc(std::span<const double> scores, std::span<const int64_t> labels);

}  // namespace isthmus::metrics
