#include "media/time_range.h"

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::media {

void TimeRange::check() const {
  if (start >= 0 && end > start) return;
  throw UsageError(fmt::format("the range from {} to {} seconds is none; expected 0 <= start < end",
                               start, end));
}

}  // namespace isthmus::media
