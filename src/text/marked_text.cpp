#include "text/marked_text.h"

#include "text/utf8.h"

namespace isthmus::text {

void MarkedText::append(std::string_view more, bool is_trusted) {
  text.append(more);
  trusted.append(more.size(), is_trusted ? '\1' : '\0');
}

void MarkedText::prepend(std::string_view front) {
  text.insert(0, front);
  trusted.insert(0, front.size(), '\1');
}

MarkedText MarkedText::part(size_t begin, size_t end) const {
  return {text.substr(begin, end - begin), trusted.substr(begin, end - begin)};
}

bool MarkedText::all_trusted(size_t begin, size_t end) const {
  return std::string_view(trusted).substr(begin, end - begin).find('\0') == std::string_view::npos;
}

void MarkedText::replace_all(std::string_view from, std::string_view to) {
  size_t found = from.empty() ? std::string::npos : text.find(from);
  if (found == std::string::npos) return;
  MarkedText out;
  size_t done = 0;
  for (; found != std::string::npos; found = text.find(from, done)) {
    out.text.append(text, done, found - done);
    out.trusted.append(trusted, done, found - done);
    out.append(to, all_trusted(found, found + from.size()));
    done = found + from.size();
  }
  out.text.append(text, done);
  out.trusted.append(trusted, done);
  *this = std::move(out);
}

void MarkedText::replace_invalid_utf8() {
  if (is_valid_utf8(text)) return;
  MarkedText out;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    const bool is_trusted = all_trusted(i, i + c.length);
    out.append(c.valid ? std::string_view(text).substr(i, c.length) : kReplacementCharacter,
               is_trusted);
    i += c.length;
  }
  *this = std::move(out);
}

}  // namespace isthmus::text
