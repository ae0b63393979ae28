// Rows of numbers as every metric takes them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::alignment {

// A view of a row-major [rows, cols] matrix; it owns nothing. Metrics convert to double first.
class Rows {
 public:
  Rows(const float* data, int64_t rows, int64_t cols) : floats_(data), rows_(rows), cols_(cols) {}
  Rows(const double* data, int64_t rows, int64_t cols) : doubles_(data), rows_(rows), cols_(cols) {}

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  const float* floats() const { return floats_; }     // null if the elements are doubles
  const double* doubles() const { return doubles_; }  // null if they are floats
  double at(int64_t row, int64_t col) const;
  // Throws InternalError for rows that are not there.
  Rows slice(int64_t first, int64_t count) const;

 private:
  const float* floats_ = nullptr;
  const double* doubles_ = nullptr;
  int64_t rows_, cols_;
};

// Numbers that belong to whoever holds them.
struct OwnedRows {
  std::vector<double> data;
  int64_t rows = 0, cols = 0;
  Rows view() const { return {data.data(), rows, cols}; }
};

// The mean row of every item, in ascending order of the item's number. `item_of_row` has one
// number per row; throws InternalError otherwise.
OwnedRows pool_by_item(const Rows& rows, std::span<const int64_t> item_of_row);

}  // namespace isthmus::alignment
