#include "text/byte_level.h"

#include <array>

#include "text/unicode.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {

constexpr bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

// Printable Latin-1 characters stand for themselves, the other 68 bytes for U+0100 onwards in
// order.
constexpr char32_t kFirstExtra = 0x100;
constexpr auto kByteToChar = [] {
  std::array<char32_t, 256> table{};
  char32_t extra = kFirstExtra;
  for (int byte = 0; byte < 256; ++byte)
    table[static_cast<size_t>(byte)] = is_printable(byte) ? static_cast<char32_t>(byte) : extra++;
  return table;
}();
constexpr auto kCharToByte = [] {
  std::array<int, 0x144> table{};
  for (int& byte : table) byte = -1;
  for (size_t byte = 0; byte < 256; ++byte) table[kByteToChar[byte]] = static_cast<int>(byte);
  return table;
}();

enum class Kind { kLetter, kNumber, kSpace, kOther };

Kind kind_of(char32_t c) {
  if (c < 0x80) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Kind::kLetter;
    if (c >= '0' && c <= '9') return Kind::kNumber;
  }
  if (is_white_space(c)) return Kind::kSpace;
  if (is_letter(c)) return Kind::kLetter;
  return is_number(c) ? Kind::kNumber : Kind::kOther;
}

}  // namespace

std::string byte_level_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 4);
  for (const char c : bytes) append_utf8(kByteToChar[static_cast<unsigned char>(c)], out);
  return out;
}

std::string byte_level_decode(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size();) {
    const Utf8Char c = decode_utf8(token, i);
    const int byte = c.valid && c.code_point < kCharToByte.size() ? kCharToByte[c.code_point] : -1;
    if (byte < 0) return std::string(token);
    out.push_back(static_cast<char>(byte));
    i += c.length;
  }
  return out;
}

std::vector<std::string_view> gpt2_split(std::string_view text) {
  std::vector<std::string_view> words;
  const auto end_of_run = [&](size_t position, Kind kind) {
    while (position < text.size()) {
      const Utf8Char c = decode_utf8(text, position);
      if (kind_of(c.code_point) != kind) break;
      position += c.length;
    }
    return position;
  };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin;
    for (const std::string_view suffix : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
      if (end == begin && text.substr(begin).starts_with(suffix)) end = begin + suffix.size();
    if (end == begin) {
      const size_t word = text[begin] == ' ' && begin + 1 < text.size() ? begin + 1 : begin;
      const Kind kind = kind_of(decode_utf8(text, word).code_point);
      if (kind != Kind::kSpace) {
        end = end_of_run(word, kind);
      } else {
        // \s+(?!\S): the last white space before a word is left to the word.
        end = end_of_run(begin, Kind::kSpace);
        if (end < text.size()) {
          size_t last = end - 1;
          while ((static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
          if (last > begin) end = last;
        }
      }
    }
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

}  // namespace isthmus::text
