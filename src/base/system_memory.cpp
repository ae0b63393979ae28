#include "base/system_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace isthmus {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kKilobyte = 1024;

// The number behind "NAME:" in a file of the kernel, in kB.
std::optional<int64_t> kilobytes(const fs::path& file, const std::string& name) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);)
    if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1));
  return std::nullopt;
}

// "max" is no number.
std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream stream(file);
  int64_t value = 0;
  if (stream >> value) return value;
  return std::nullopt;
}

// What is left below the limits of the groups from `group` up to `top`.
std::optional<int64_t> left_in(const fs::path& top, fs::path group, const char* limit,
                               const char* used) {
  std::optional<int64_t> least;
  for (;; group = group.parent_path()) {
    const fs::path folder = group.empty() ? top : top / group;
    const auto most = number_in(folder / limit), now = number_in(folder / used);
    if (most && now) least = std::min(least.value_or(*most), std::max<int64_t>(*most - *now, 0));
    if (group.empty()) return least;
  }
}

// Lines "0::/path" (version 2) and "5:memory:/path" (version 1).
std::optional<int64_t> left_in_groups(const fs::path& root) {
  std::optional<int64_t> least;
  const auto add = [&](const std::optional<int64_t>& left) {
    if (left) least = std::min(least.value_or(*left), *left);
  };
  std::ifstream stream(root / "proc/self/cgroup");
  for (std::string line; std::getline(stream, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = fs::path(line.substr(second + 1)).relative_path();
    if (controllers.empty())
      add(left_in(root / "sys/fs/cgroup", group, "memory.max", "memory.current"));
    else if (controllers == "memory")
      add(left_in(root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes",
                  "memory.usage_in_bytes"));
  }
  return least;
}

}  // namespace

std::optional<int64_t> available_memory(const fs::path& root) {
  std::optional<int64_t> available = left_in_groups(root);
  if (const auto kernel = kilobytes(root / "proc/meminfo", "MemAvailable"))
    available = std::min(available.value_or(*kernel * kKilobyte), *kernel * kKilobyte);
  return available;
}

int64_t resident_memory() {
  return kilobytes("/proc/self/status", "VmRSS").value_or(0) * kKilobyte;
}

int64_t peak_resident_memory() {
  return kilobytes("/proc/self/status", "VmHWM").value_or(0) * kKilobyte;
}

}  // namespace isthmus
