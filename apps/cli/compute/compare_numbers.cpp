#include "compare_numbers.h"

#include <utility>

#include <fmt/format.h>

namespace isthmus::cli {

std::string count_text(double value) {
  for (const auto& [factor, unit] :
       {std::pair{1e12, " T"}, std::pair{1e9, " G"}, std::pair{1e6, " M"}, std::pair{1e3, " k"}})
    if (value >= factor) return fmt::format("{:.3g}{}", value / factor, unit);
  return fmt::format("{:.3g}", value);
}

std::string bytes_text(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return value >= 1e6 ? fmt::format("{:.1f} MB", value / 1e6)
                      : fmt::format("{:.0f} kB", value / 1e3);
}

std::string time_text(double seconds) {
  return seconds < 1     ? fmt::format("{:.1f} ms", 1e3 * seconds)
         : seconds < 120 ? fmt::format("{:.1f} s", seconds)
                         : fmt::format("{:.1f} min", seconds / 60);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string interval(const alignment::Interval& ci95) {
  return fmt::format("{:.1f} to {:.1f}", 100 * ci95.low, 100 * ci95.high);
}

std::string p_text(double p) { return p < .001 ? "below .001" : fmt::format("{:.3f}", p); }

}  // namespace isthmus::cli
