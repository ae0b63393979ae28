#include "api_keys.h"

#include <sstream>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "isthmus/error.h"

namespace isthmus::server {
namespace {

std::string trimmed(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t\r"), end = line.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
}

}  // namespace

std::vector<std::string> read_api_keys(const std::filesystem::path& file) {
  std::vector<std::string> keys;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);)
    if (const std::string key = trimmed(line); !key.empty() && !key.starts_with('#'))
      keys.push_back(key);
  if (keys.empty()) throw InputError(fmt::format("{}: there is no key in it", file.string()));
  return keys;
}

}  // namespace isthmus::server
