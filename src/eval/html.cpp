#include "eval/html.h"

#include <span>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/base64.h"
#include "isthmus/error.h"
#include "text/utf8.h"

namespace isthmus::eval {
namespace {

// Told from the first bytes: a name may lie, and a page must not be made to load anything else.
std::string_view media_type(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return "image/png";
  if (bytes.starts_with("GIF8")) return "image/gif";
  if (bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP") return "image/webp";
  if (bytes.starts_with("BM")) return "image/bmp";
  return {};
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~/").find(c) != std::string_view::npos;
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text)
    encoded += is_unreserved(c) ? std::string(1, c)
                                : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return encoded;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text::replace_invalid_utf8(text)) {
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
      escaped += text::kReplacementCharacter;
    else
      escaped += c;
  }
  return escaped;
}

std::string link_to(const std::filesystem::path& file, const std::filesystem::path& folder) {
  const auto absolute = std::filesystem::absolute(file).lexically_normal();
  const auto from = std::filesystem::absolute(folder / "").lexically_normal();
  const auto relative = absolute.lexically_relative(from);
  if (relative.empty() || *relative.begin() == "..")
    return "file://" + percent_encode(absolute.string());
  return "./" + percent_encode(relative.string());  // "./": a colon in a name is not a scheme
}

std::string picture_source(const std::filesystem::path& picture,
                           const std::filesystem::path& folder, size_t limit) {
  std::error_code error;
  const auto size = std::filesystem::file_size(picture, error);
  if (!error && size <= limit) {
    try {
      const std::string bytes = read_file(picture, limit);
      if (const auto type = media_type(bytes); !type.empty())
        return fmt::format("data:{};base64,{}", type,
                           encode_base64(std::as_bytes(std::span(bytes.data(), bytes.size()))));
    } catch (const InputError&) {  // it went away: the link says where it was
    }
  }
  return link_to(picture, folder);
}

}  // namespace isthmus::eval
