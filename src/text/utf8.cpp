#include "text/utf8.h"

namespace isthmus::text {

namespace {

bool is_trail(unsigned char byte) { return (byte & 0xC0) == 0x80; }

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const size_t available = text.size() - position;
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true, false};
  if (lead < 0xC2 || lead > 0xF4) return {0xFFFD, 1, false, false};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code_point = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (i == available) return {0xFFFD, i, false, true};
    const unsigned char next = byte(i);
    bool allowed = is_trail(next);
    if (i == 1) {  // overlong forms, surrogates and values beyond U+10FFFF are already wrong here
      if (lead == 0xE0) allowed = allowed && next >= 0xA0;
      if (lead == 0xED) allowed = allowed && next < 0xA0;
      if (lead == 0xF0) allowed = allowed && next >= 0x90;
      if (lead == 0xF4) allowed = allowed && next < 0x90;
    }
    if (!allowed) return {0xFFFD, i, false, false};
    code_point = (code_point << 6) | (next & 0x3F);
  }
  return {code_point, length, true, false};
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (!c.valid) return false;
    i += c.length;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  Utf8Stream stream;
  stream.push(text, out);
  stream.finish(out);
  return out;
}

void Utf8Stream::push(std::string_view bytes, std::string& out) {
  pending_.append(bytes);
  size_t position = 0;
  while (position < pending_.size()) {
    const Utf8Char c = decode_utf8(pending_, position);
    if (c.truncated) break;
    if (c.valid)
      out.append(pending_, position, c.length);
    else
      out.append(kReplacementCharacter);
    position += c.length;
  }
  pending_.erase(0, position);
}

void Utf8Stream::finish(std::string& out) {
  if (!pending_.empty()) out.append(kReplacementCharacter);
  pending_.clear();
}

}  // namespace isthmus::text
