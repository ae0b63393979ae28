// Numbers of a comparison as its page and its tables write them.
#pragma once

#include <cstdint>
#include <string>

#include "alignment/resampling.h"

namespace isthmus::cli {

std::string count_text(double value);  // "1.2 M"
std::string bytes_text(int64_t bytes);
std::string time_text(double seconds);
std::string percent(double share);                      // of 0 to 1
std::string interval(const alignment::Interval& ci95);  // in percent, "41.0 to 47.5"
std::string p_text(double p);                           // "below .001"

}  // namespace isthmus::cli
