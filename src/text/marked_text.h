// Text in which every byte knows whether it may be part of a special token.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace isthmus::text {

// `trusted` has one char (0 or 1) per byte of `text`. User text is not trusted: it stays text
// whatever it spells. All edits keep the two in step.
struct MarkedText {
  std::string text;
  std::string trusted;

  void append(std::string_view more, bool is_trusted);
  void prepend(std::string_view front);  // a tokenizer's own prefix: trusted
  MarkedText part(size_t begin, size_t end) const;
  void replace_all(std::string_view from,
                   std::string_view to);  // `to` is trusted if all of `from` was
  void replace_invalid_utf8();
  bool all_trusted(size_t begin, size_t end) const;
};

}  // namespace isthmus::text
