// Keys that requests need to bring.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace isthmus::server {

// One key per line; empty lines and lines that begin with # do not count. InputError for a file
// that cannot be read or has none.
std::vector<std::string> read_api_keys(const std::filesystem::path& file);

}  // namespace isthmus::server
