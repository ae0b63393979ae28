// The page that `isthmus demo` writes.
#pragma once

#include <filesystem>
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

// One self-contained file, written whole or not at all. Throws ResourceError.
void write_demo_page(const std::filesystem::path& file, const std::vector<DemoItem>& items);

}  // namespace isthmus::cli
