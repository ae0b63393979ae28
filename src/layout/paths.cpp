#include "layout/paths.h"

#include <algorithm>
#include <system_error>

namespace isthmus::layout {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (is_file(it->path())) files.push_back(it->path());
  std::ranges::sort(files);
  return files;
}

}  // namespace isthmus::layout
