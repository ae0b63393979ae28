#include "text/stop_strings.h"

#include <algorithm>
#include <utility>

namespace isthmus::text {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, std::string());
}

std::optional<StopStrings::Found> StopStrings::find() const {
  std::optional<Found> best;
  for (const std::string& stop : stops_) {
    const size_t position = held_.find(stop);
    if (position != std::string::npos && (!best || position < best->position))
      best = Found{position, &stop};
  }
  return best;
}

std::string StopStrings::stop_at(const Found& found) {
  match_ = *found.stop;
  std::string out = held_.substr(0, found.position);
  held_.clear();
  return out;
}

std::string StopStrings::push(std::string_view text) {
  if (match_) return {};
  held_.append(text);
  // Where the longest end of the text begins that a stop string begins with.
  size_t safe = held_.size();
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > held_.size() - safe;
         --length) {
      if (!std::string_view(stop).starts_with(
              std::string_view(held_).substr(held_.size() - length)))
        continue;
      safe = held_.size() - length;
      break;
    }
  }
  // A match waits while another that begins before it may still become complete.
  if (const auto found = find(); found && found->position <= safe) return stop_at(*found);
  std::string out = held_.substr(0, safe);
  held_.erase(0, safe);
  return out;
}

std::string StopStrings::flush() {
  if (const auto found = find()) return stop_at(*found);
  return std::exchange(held_, {});
}

}  // namespace isthmus::text
