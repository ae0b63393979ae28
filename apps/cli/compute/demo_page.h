// The page that `isthmus demo` writes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace isthmus::cli {

// One question about one input.
struct DemoAnswer {
  std::string question, before, after, right;
  bool is_right() const { return after == right; }
};

// An input as it is shown, and what was asked about it. `picture` is HTML: an <img> or an <svg>.
struct DemoItem {
  std::string family, title, picture;
  std::vector<DemoAnswer> answers;
};

std::string picture_as_html(std::span<const std::byte> file);
// Curves over each other, each within its own range.
std::string curves_as_html(const std::vector<std::vector<float>>& curves);
// One self-contained file, written whole or not at all. Throws ResourceError.
void write_demo_page(const std::filesystem::path& file, const std::vector<DemoItem>& items);

}  // namespace isthmus::cli
