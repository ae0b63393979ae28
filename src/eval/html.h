// Pieces of a page that come from outside: text that may hold anything, and pictures.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace isthmus::eval {

// Text for an element or a quoted attribute. Broken UTF-8 and control characters become U+FFFD.
std::string escape_html(std::string_view text);

// Where a page in `folder` finds this picture: a data URI of its bytes if it has at most `limit` of
// them and is of a kind browsers show, else a relative or file link.
std::string picture_source(const std::filesystem::path& picture,
                           const std::filesystem::path& folder, size_t limit);
// A link to a file, ready for an attribute.
std::string link_to(const std::filesystem::path& file, const std::filesystem::path& folder);

}  // namespace isthmus::eval
