// Ends generated text at the first stop string, without ever showing the beginning of one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::text {

// For one thread.
class StopStrings {
 public:
  // Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  // Text that is safe to show: what may still become a stop string is held back. Once a stop string
  // is complete, the text before it is returned and nothing more ever is. Of several, the one that
  // begins first counts, among those the first in the list.
  std::string push(std::string_view text);
  // What was held back, when no more text comes.
  std::string flush();

  bool stopped() const { return match_.has_value(); }
  const std::optional<std::string>& match() const { return match_; }

 private:
  struct Found {
    size_t position;
    const std::string* stop;
  };
  std::optional<Found> find() const;
  std::string stop_at(const Found& found);

  std::vector<std::string> stops_;
  std::string held_;
  std::optional<std::string> match_;
};

}  // namespace isthmus::text
