// How long a pass of so many rows takes, learned from late passes.
#pragma once

#include <cstdint>

namespace isthmus::serving {

// A line: what a pass costs whatever it holds (weights are read, threads are woken), and what each
// row adds. Least squares over late passes, of which newer ones count more. One thread at a time.
class PassTimes {
 public:
  void note(int64_t rows, double seconds);
  // Before anything was noted: 0.
  double seconds_of(int64_t rows) const { return fixed_ + per_row_ * static_cast<double>(rows); }
  double seconds_per_row() const { return per_row_; }

 private:
  int64_t count_ = 0;
  // Weighted means: of rows, of seconds, of rows², of rows · seconds.
  double rows_ = 0, seconds_ = 0, rows_squared_ = 0, product_ = 0;
  double fixed_ = 0, per_row_ = 0;
};

}  // namespace isthmus::serving
