#include "text/html.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "text/utf8.h"

namespace isthmus::text {
namespace {

std::string_view media_type(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return "image/png";
  if (bytes.starts_with("GIF8")) return "image/gif";
  if (bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP") return "image/webp";
  if (bytes.starts_with("BM")) return "image/bmp";
  return {};
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : replace_invalid_utf8(text)) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '&')
      escaped += "&amp;";
    else if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '"')
      escaped += "&quot;";
    else if (c == '\'')
      escaped += "&#39;";
    else if ((code < 0x20 && c != '\n' && c != '\t') || code == 0x7F)
      escaped += kReplacementCharacter;
    else
      escaped += c;
  }
  return escaped;
}

std::string picture_uri(std::span<const std::byte> file) {
  const std::string_view type =
      media_type({reinterpret_cast<const char*>(file.data()), file.size()});
  return type.empty() ? "" : fmt::format("data:{};base64,{}", type, encode_base64(file));
}

}  // namespace isthmus::text
