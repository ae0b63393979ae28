#include "alignment/rows.h"

#include <cstddef>
#include <map>
#include <utility>

#include "base/check.h"

namespace isthmus::alignment {

double Rows::at(int64_t row, int64_t col) const {
  const int64_t place = row * cols_ + col;
  return floats_ ? static_cast<double>(floats_[place]) : doubles_[place];
}

Rows Rows::slice(int64_t first, int64_t count) const {
  ISTHMUS_CHECK(first >= 0 && count >= 0 && first <= rows_ - count, "rows outside the matrix");
  return floats_ ? Rows(floats_ + first * cols_, count, cols_)
                 : Rows(doubles_ + first * cols_, count, cols_);
}

OwnedRows pool_by_item(const Rows& rows, std::span<const int64_t> item_of_row) {
  ISTHMUS_CHECK(std::cmp_equal(item_of_row.size(), rows.rows()), "every row needs its item");
  std::map<int64_t, std::vector<int64_t>> rows_of;
  for (int64_t r = 0; r < rows.rows(); ++r)
    rows_of[item_of_row[static_cast<size_t>(r)]].push_back(r);
  OwnedRows pooled{.data = {}, .rows = std::ssize(rows_of), .cols = rows.cols()};
  for (const auto& [item, members] : rows_of)
    for (int64_t c = 0; c < rows.cols(); ++c) {
      double sum = 0;
      for (const int64_t r : members) sum += rows.at(r, c);
      pooled.data.push_back(sum / static_cast<double>(members.size()));
    }
  return pooled;
}

}  // namespace isthmus::alignment
