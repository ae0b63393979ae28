// What a page shows or links to besides text (text/html.h).
#pragma once

#include <filesystem>
#include <string>

namespace isthmus::eval {

// Where a page in `folder` finds this picture: a data URI of its bytes if it has at most `limit` of
// them and is of a kind browsers show, else a relative or file link.
std::string picture_source(const std::filesystem::path& picture,
                           const std::filesystem::path& folder, size_t limit);
// A link to a file, ready for an attribute.
std::string link_to(const std::filesystem::path& file, const std::filesystem::path& folder);

}  // namespace isthmus::eval
