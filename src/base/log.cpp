#include "base/log.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <string>

#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace isthmus::log {
namespace {

std::atomic<Level>& level() {
  static std::atomic<Level> value{Level::kWarn};
  return value;
}

std::atomic<Format>& format() {
  static std::atomic<Format> value{Format::kText};
  return value;
}

const char* name_of(Level at) {
  switch (at) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarn: return "warning";
    case Level::kError: return "error";
  }
  return "";
}

std::string now() {
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%SZ}",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

// For one field of a line: no line break, no quote that ends it.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

struct AsText {
  std::string operator()(std::string_view value) const { return std::string(value); }
  std::string operator()(Quoted value) const { return in_quotes(value.text); }
  std::string operator()(double value) const { return fmt::format("{:.3f}", value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
};

struct AsJson {
  nlohmann::ordered_json operator()(std::string_view value) const { return value; }
  nlohmann::ordered_json operator()(Quoted value) const { return value.text; }
  nlohmann::ordered_json operator()(double value) const { return std::round(value * 1e3) / 1e3; }
  nlohmann::ordered_json operator()(bool value) const { return value; }
  nlohmann::ordered_json operator()(int64_t value) const { return value; }
};

std::string as_text(Level at, std::string_view message, std::span<const Field> fields) {
  std::string line = fmt::format("isthmus: {}: {}", name_of(at), message);
  if (!fields.empty()) line += "time=" + now();
  for (const Field& field : fields)
    line += fmt::format(" {}={}", field.name, std::visit(AsText(), field.value));
  return line + "\n";
}

std::string as_json(Level at, std::string_view message, std::span<const Field> fields) {
  nlohmann::ordered_json line{{"time", now()}, {"level", name_of(at)}};
  if (!message.empty()) line["message"] = message;
  for (const Field& field : fields)
    line[std::string(field.name)] = std::visit(AsJson(), field.value);
  // Paths of requests and names of files are not always UTF-8.
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// One write call per line, so that lines of different threads never mix.
void put(Level at, std::string_view message, std::span<const Field> fields = {}) {
  if (at < level().load(std::memory_order_relaxed)) return;
  const bool json = format().load(std::memory_order_relaxed) == Format::kJson;
  const std::string line = json ? as_json(at, message, fields) : as_text(at, message, fields);
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void set_level(Level at) { level().store(at, std::memory_order_relaxed); }
void set_format(Format as) { format().store(as, std::memory_order_relaxed); }
void debug(std::string_view message) { put(Level::kDebug, message); }
void info(std::string_view message) { put(Level::kInfo, message); }
void warn(std::string_view message) { put(Level::kWarn, message); }
void event(Level at, std::span<const Field> fields) { put(at, {}, fields); }

}  // namespace isthmus::log
