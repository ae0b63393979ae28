#include "generation/prompt_lookup.h"

#include <algorithm>

namespace isthmus::generation {
namespace {

// One token alone is followed by too many things.
constexpr int64_t kLongestMatch = 3, kShortestMatch = 2;

}  // namespace

std::vector<int64_t> look_up(std::span<const int64_t> text, int64_t most) {
  const auto size = static_cast<int64_t>(text.size());
  for (int64_t length = kLongestMatch; length >= kShortestMatch && most > 0; --length)
    for (int64_t at = size - length - 1; at >= 0; --at)
      if (std::equal(text.end() - length, text.end(), text.begin() + at)) {
        const auto begin = text.begin() + at + length;
        return {begin, begin + std::min<int64_t>(most, text.end() - begin)};
      }
  return {};
}

}  // namespace isthmus::generation
