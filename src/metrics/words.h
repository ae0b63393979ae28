// Words as Python's str.split cuts them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace isthmus::metrics {

// str.split(): runs of white space separate, Unicode's included; no empty words.
std::vector<std::string_view> split_white_space(std::string_view text);

// str.split(" "): every space separates, so there may be empty words; never none.
std::vector<std::string_view> split_spaces(std::string_view text);

// str.strip()
std::string_view strip(std::string_view text);

}  // namespace isthmus::metrics
