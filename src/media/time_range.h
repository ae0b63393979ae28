// A piece of a recording.
#pragma once

#include <limits>

namespace isthmus::media {

// Seconds after the start. check() throws UsageError unless 0 <= start < end.
struct TimeRange {
  double start = 0;
  double end = std::numeric_limits<double>::infinity();

  void check() const;
};

}  // namespace isthmus::media
