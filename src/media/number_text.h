// Numbers written out, as in ascii files and tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace isthmus::media {

// Words of an ascii file, between white space.
class WordReader {
 public:
  explicit WordReader(std::string_view text) : rest_(text) {}
  // The next word; empty at the end.
  std::string_view next();

 private:
  std::string_view rest_;
};

// A number as people and printf write it, with nan and inf; nullopt for anything else.
std::optional<double> parse_number(std::string_view word);
// A whole number from 0 on.
std::optional<int64_t> parse_count(std::string_view word);

}  // namespace isthmus::media
