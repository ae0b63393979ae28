// Questions about files that never fail: what cannot be examined is not there.
#pragma once

#include <filesystem>
#include <vector>

namespace isthmus::layout {

bool is_file(const std::filesystem::path& path);
// Of a file that may be named without one.
std::filesystem::path folder_of(const std::filesystem::path& file);
// A folder's files by name, so that the answer does not depend on the file system.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder);

}  // namespace isthmus::layout
