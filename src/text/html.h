// Pieces of a page that come from outside: text that may hold anything, and pictures.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace isthmus::text {

// Text for an element or a quoted attribute. Broken UTF-8 and control characters become U+FFFD.
std::string escape_html(std::string_view text);

// A data URI of the bytes of a PNG, JPEG, GIF, WebP or BMP file, told from how they begin; "" for
// anything else: a page must not be made to load it.
std::string picture_uri(std::span<const std::byte> file);

}  // namespace isthmus::text
