// Media as elements of a page.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace isthmus::cli {

// A PNG, JPEG, GIF, WebP or BMP file as an <img>.
std::string picture_as_html(std::span<const std::byte> file);
// An <svg>: curves over each other, each within its own range.
std::string curves_as_html(const std::vector<std::vector<float>>& curves);

}  // namespace isthmus::cli
