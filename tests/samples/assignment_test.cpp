#include "samples/assignment.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/json_view.h"

namespace isthmus::samples {
namespace {

// scipy 1.11's linear_sum_assignment(-similarities) on random matrices of many shapes, half of them
// with many ties.
TEST(Assignment, IsScipysAlsoWhereSeveralAreBest) {
  const auto file =
      std::filesystem::path(ISTHMUS_SOURCE_DIR) / "tests/samples/scipy_assignments.json";
  for (const JsonView& expected : JsonView::load(file).elements()) {
    std::vector<std::vector<double>> scores;
    for (const JsonView& row : expected.at("similarities").elements()) {
      scores.emplace_back();
      for (const JsonView& value : row.elements()) scores.back().push_back(value.as_number());
    }
    std::vector<std::optional<size_t>> wanted(scores.size());
    const auto rows = expected.at("images").elements(), columns = expected.at("texts").elements();
    for (size_t i = 0; i < rows.size(); ++i)
      wanted[static_cast<size_t>(rows[i].as_integer())] =
          static_cast<size_t>(columns[i].as_integer());
    EXPECT_EQ(best_assignment(scores), wanted) << expected.where();
  }
}

TEST(Assignment, OfNothingIsNothing) {
  EXPECT_TRUE(best_assignment({}).empty());
  EXPECT_EQ(best_assignment({{}, {}}), (std::vector<std::optional<size_t>>(2)));
}

}  // namespace
}  // namespace isthmus::samples
