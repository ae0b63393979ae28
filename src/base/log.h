// One line per event to stderr. Set level and format once, at start-up.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace isthmus::log {

enum class Level { kDebug, kInfo, kWarn, kError };
// kText: "isthmus: info: MESSAGE", or "isthmus: info: time=… name=value …" for what has fields;
// kJson: an object with "time", "level", "message" and the fields, of every line.
enum class Format { kText, kJson };

// Text that somebody else wrote: quoted, and without line breaks.
struct Quoted {
  std::string_view text;
};
// One thing that is known of an event. Numbers that are not whole: to a thousandth.
struct Field {
  std::string_view name;
  std::variant<std::string_view, Quoted, int64_t, double, bool> value;
};

void set_level(Level level);
void set_format(Format format);
void debug(std::string_view message);
void info(std::string_view message);
void warn(std::string_view message);
// An event that its fields describe.
void event(Level level, std::span<const Field> fields);

}  // namespace isthmus::log
