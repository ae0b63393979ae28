// The page for people, as files of the program.
#pragma once

#include <span>
#include <string_view>

namespace isthmus::server {

struct PageFile {
  std::string_view path, type, content;  // "/app.js", "text/javascript"
};

// Those of apps/web when this was built; "/" is its index.html.
std::span<const PageFile> page_files();

}  // namespace isthmus::server
