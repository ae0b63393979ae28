// UTF-8: decoding one character, repair of invalid bytes, and repair of a stream.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace isthmus::text {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct Utf8Char {
  char32_t code_point;  // U+FFFD when invalid
  size_t length;  // bytes consumed; when invalid, the maximal subpart (Unicode 15, section 3.9)
  bool valid;
  bool truncated;  // invalid only because the text ends: more bytes could complete the character
};

// The character at `position` (< text.size()).
Utf8Char decode_utf8(std::string_view text, size_t position);
void append_utf8(char32_t code_point, std::string& out);
bool is_valid_utf8(std::string_view text);
// Every maximal invalid subpart becomes one U+FFFD, as Python's bytes.decode(errors="replace")
// does.
std::string replace_invalid_utf8(std::string_view text);

// The same repair over a stream: what push() and finish() append, joined, is replace_invalid_utf8
// of the bytes pushed, joined. A character is appended only when it is complete or can no longer
// become valid.
class Utf8Stream {
 public:
  void push(std::string_view bytes, std::string& out);
  void finish(std::string& out);

 private:
  std::string pending_;  // at most three bytes: the beginning of a character
};

}  // namespace isthmus::text
