#include "metrics/rouge_l.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "metrics/words.h"

namespace isthmus::metrics {
namespace {

constexpr double kBeta = 1.2;

using Words = std::vector<std::string_view>;

size_t longest_common_subsequence(const Words& a, const Words& b) {
  std::vector<size_t> lengths(b.size() + 1, 0);  // of a's words so far with b's first j
  for (const std::string_view word : a) {
    size_t diagonal = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = lengths[j];
      lengths[j] = word == b[j - 1] ? diagonal + 1 : std::max(above, lengths[j - 1]);
      diagonal = above;
    }
  }
  return lengths.back();
}

double score(const CaptionItem& item) {
  const Words hypothesis = split_spaces(item.hypothesis);
  double precision = 0, recall = 0;
  for (const std::string& text : item.references) {
    const Words reference = split_spaces(text);
    const auto common = static_cast<double>(longest_common_subsequence(reference, hypothesis));
    precision = std::max(precision, common / static_cast<double>(hypothesis.size()));
    recall = std::max(recall, common / static_cast<double>(reference.size()));
  }
  if (precision == 0 || recall == 0) return 0;
  constexpr double kSquare = kBeta * kBeta;
  return (1 + kSquare) * precision * recall / (recall + kSquare * precision);
}

}  // namespace

RougeScore rouge_l(std::span<const CaptionItem> items) {
  check_captions(items, "ROUGE-L");
  RougeScore result;
  for (const CaptionItem& item : items) {
    result.per_image.push_back(score(item));
    result.corpus += result.per_image.back();
  }
  result.corpus /= static_cast<double>(items.size());
  return result;
}

}  // namespace isthmus::metrics
