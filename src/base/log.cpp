#include "base/log.h"

#include <atomic>
#include <string>

#include <unistd.h>

#include <fmt/format.h>

namespace isthmus::log {
namespace {

std::atomic<Level>& level() {
  static std::atomic<Level> value{Level::kWarn};
  return value;
}

// One write call per line, so that lines of different threads never mix.
void put(Level at, std::string_view name, std::string_view message) {
  if (at < level().load(std::memory_order_relaxed)) return;
  const std::string line = fmt::format("isthmus: {}: {}\n", name, message);
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void set_level(Level at) { level().store(at, std::memory_order_relaxed); }
void debug(std::string_view message) { put(Level::kDebug, "debug", message); }
void info(std::string_view message) { put(Level::kInfo, "info", message); }
void warn(std::string_view message) { put(Level::kWarn, "warning", message); }

}  // namespace isthmus::log
