// Pieces of which the matchers of ptb_patterns.h are made.
#pragma once

#include <cstddef>
#include <string_view>

#include "metrics/ptb_patterns.h"

namespace isthmus::metrics::ptb {

// Longer addresses, tags and compounds are not recognised, so that a hostile line takes linear
// time.
constexpr std::ptrdiff_t kMaxSpan = 2048;

inline bool is_one_of(char32_t c, std::string_view ascii) {
  return c < 0x80 && ascii.find(static_cast<char>(c)) != std::string_view::npos;
}

inline char32_t lower(char32_t c) { return is_upper(c) ? c + 32 : c; }
inline bool is_vowel(char32_t c) { return is_one_of(lower(c), "aeiou"); }

template <typename Predicate>
Text skip_while(Text p, Predicate predicate) {
  while (predicate(*p)) ++p;
  return p;
}

template <typename Predicate>
Text one_or_more(Text p, Predicate predicate) {
  return predicate(*p) ? skip_while(p + 1, predicate) : nullptr;
}

// The longest of two, either of which may be nullptr.
inline Text longer(Text a, Text b) { return a == nullptr || (b != nullptr && b > a) ? b : a; }

}  // namespace isthmus::metrics::ptb
