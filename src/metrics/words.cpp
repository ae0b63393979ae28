#include "metrics/words.h"

#include <cstddef>

namespace isthmus::metrics {
namespace {

// The bytes of the white space that `text` begins with; 0 if it begins with something else.
size_t white_space_length(std::string_view text) {
  const auto byte = [text](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned first = byte(0);
  if (text.empty()) return 0;
  if (first == ' ' || (first >= 0x09 && first <= 0x0D) || (first >= 0x1C && first <= 0x1F))
    return 1;
  if (first == 0xC2) return byte(1) == 0x85 || byte(1) == 0xA0 ? 2 : 0;
  if (first < 0xE1 || first > 0xE3) return 0;
  const unsigned rest = byte(1) << 8 | byte(2);
  const bool is_space = first == 0xE1   ? rest == 0x9A80  // U+1680
                        : first == 0xE3 ? rest == 0x8080  // U+3000
                                        : (rest >= 0x8080 && rest <= 0x808A) || rest == 0x80A8 ||
                                              rest == 0x80A9 || rest == 0x80AF || rest == 0x819F;
  return is_space ? 3 : 0;
}

size_t word_length(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && white_space_length(text.substr(length)) == 0) ++length;
  return length;
}

}  // namespace

std::vector<std::string_view> split_white_space(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    if (const size_t space = white_space_length(text)) {
      text.remove_prefix(space);
    } else {
      words.push_back(text.substr(0, word_length(text)));
      text.remove_prefix(words.back().size());
    }
  }
  return words;
}

std::vector<std::string_view> split_spaces(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin = 0;;) {
    const size_t end = text.find(' ', begin);
    words.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return words;
    begin = end + 1;
  }
}

std::string_view strip(std::string_view text) {
  const std::vector<std::string_view> words = split_white_space(text);
  if (words.empty()) return {};
  const char* end = words.back().data() + words.back().size();
  return {words.front().data(), static_cast<size_t>(end - words.front().data())};
}

}  // namespace isthmus::metrics
