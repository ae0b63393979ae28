#include "samples/assignment.h"

#include <limits>
#include <utility>

namespace isthmus::samples {
namespace {

using Costs = std::vector<std::vector<double>>;

constexpr size_t kNone = std::numeric_limits<size_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Shortest augmenting paths with dual variables, one row after another; at most as many rows as
// columns.                     Crouse 2016, "On implementing 2D rectangular assignment algorithms"
class Assignment {
 public:
  explicit Assignment(const Costs& costs)
      : costs_(costs),
        columns_(costs[0].size()),
        row_dual_(costs.size(), 0.0),
        column_dual_(columns_, 0.0),
        column_of_(costs.size(), kNone),
        row_of_(columns_, kNone) {}

  std::vector<size_t> solve() {
    for (size_t row = 0; row < costs_.size(); ++row) add(row);
    return column_of_;
  }

 private:
  // The cheapest way from an unassigned row to an unassigned column over assigned pairs.
  struct Path {
    size_t end;  // the free column
    double length = 0;
    std::vector<double> distance;     // per column
    std::vector<size_t> coming_from;  // per column: the row before it
    std::vector<size_t> rows;         // met on the search
    std::vector<size_t> columns;
  };

  Path shortest_path(size_t row) const {
    Path path{
        kNone, 0, std::vector<double>(columns_, kInfinity), std::vector<size_t>(columns_, kNone),
        {},    {}};
    // From the last to the first, and a free column before an equally near one: so ties fall as in
    // scipy, where equal costs give the identity.
    std::vector<size_t> remaining(columns_);
    for (size_t i = 0; i < columns_; ++i) remaining[i] = columns_ - i - 1;
    while (path.end == kNone) {
      path.rows.push_back(row);
      double nearest = kInfinity;
      size_t at = kNone;
      for (size_t i = 0; i < remaining.size(); ++i) {
        const size_t column = remaining[i];
        const double through =
            path.length + costs_[row][column] - row_dual_[row] - column_dual_[column];
        if (through < path.distance[column]) {
          path.distance[column] = through;
          path.coming_from[column] = row;
        }
        const double distance = path.distance[column];
        if (distance < nearest || (distance == nearest && row_of_[column] == kNone)) {
          nearest = distance;
          at = i;
        }
      }
      path.length = nearest;
      const size_t column = remaining[at];
      path.columns.push_back(column);
      remaining[at] = remaining.back();
      remaining.pop_back();
      if (row_of_[column] == kNone)
        path.end = column;
      else
        row = row_of_[column];
    }
    return path;
  }

  void add(size_t new_row) {
    const Path path = shortest_path(new_row);
    row_dual_[new_row] += path.length;
    for (const size_t row : path.rows)
      if (row != new_row) row_dual_[row] += path.length - path.distance[column_of_[row]];
    for (const size_t column : path.columns)
      column_dual_[column] -= path.length - path.distance[column];
    for (size_t column = path.end, row = kNone; row != new_row;) {
      row = path.coming_from[column];
      row_of_[column] = row;
      std::swap(column_of_[row], column);
    }
  }

  const Costs& costs_;
  size_t columns_;
  std::vector<double> row_dual_, column_dual_;
  std::vector<size_t> column_of_, row_of_;
};

}  // namespace

std::vector<std::optional<size_t>> best_assignment(const std::vector<std::vector<double>>& scores) {
  std::vector<std::optional<size_t>> assigned(scores.size());
  if (scores.empty() || scores[0].empty()) return assigned;
  const size_t rows = scores.size(), columns = scores[0].size();
  const bool turned = columns < rows;
  Costs costs(turned ? columns : rows, std::vector<double>(turned ? rows : columns));
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column)
      (turned ? costs[column][row] : costs[row][column]) = -scores[row][column];
  const std::vector<size_t> found = Assignment(costs).solve();
  for (size_t i = 0; i < found.size(); ++i) {
    if (turned)
      assigned[found[i]] = i;
    else
      assigned[i] = found[i];
  }
  return assigned;
}

}  // namespace isthmus::samples
