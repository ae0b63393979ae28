// What was measured of each aligner, as tables of a page and of a terminal.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "compare_measure.h"

namespace isthmus::cli {

// A table whose first column is words and whose others are numbers.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : head_(std::move(head)) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string html() const;
  std::string text() const;

 private:
  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

Table quality_table(const Comparison& comparison);
Table cost_table(const Comparison& comparison);
// What each has of its own besides its kind.
Table own_table(const Comparison& comparison);
Table pair_table(const Comparison& comparison);
// Shares of every kind of question, in the order of the first aligner.
Table kind_table(const Comparison& comparison);
Table alignment_table(const Comparison& comparison);

// The tables of a terminal: quality, cost, pairs.
std::string comparison_as_text(const Comparison& comparison);

}  // namespace isthmus::cli
