// The one-to-one assignment with the greatest total, for matrices of any shape.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace isthmus::samples {

// Per row of `scores` [rows][columns] its column; nullopt for the rows that are left over where
// there are fewer columns. The sum of the assigned scores is the largest possible; of several such
// assignments it is the one that scipy.optimize.linear_sum_assignment(-scores) finds. Scores are
// finite, rows of equal length. O(rows · columns · min(rows, columns)).
std::vector<std::optional<size_t>> best_assignment(const std::vector<std::vector<double>>& scores);

}  // namespace isthmus::samples
