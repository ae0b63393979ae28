#include "eval/html.h"

#include <span>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "isthmus/error.h"
#include "text/html.h"

namespace isthmus::eval {
namespace {

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
      const auto uri = text::picture_uri(std::as_bytes(std::span(bytes.data(), bytes.size())));
      if (!uri.empty()) return uri;
    } catch (const InputError&) {  // it went away: the link says where it was
    }
  }
  return link_to(picture, folder);
}

}  // namespace isthmus::eval
