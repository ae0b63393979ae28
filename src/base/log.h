// One line per event to stderr. Set the level once, at start-up.
#pragma once

#include <string_view>

namespace isthmus::log {

enum class Level { kDebug, kInfo, kWarn, kError };

void set_level(Level level);
void debug(std::string_view message);
void info(std::string_view message);
void warn(std::string_view message);

}  // namespace isthmus::log
