#include "base/temporary_folder.h"

#include <cstdlib>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder(const std::string& name) {
  std::string pattern = (fs::temp_directory_path() / (name + "-XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw ResourceError(fmt::format("{}: cannot be made", pattern));
  path_ = fs::canonical(pattern);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!kept_) fs::remove_all(path_, ignored);
}

const fs::path& TemporaryFolder::keep() {
  kept_ = true;
  return path_;
}

}  // namespace isthmus
