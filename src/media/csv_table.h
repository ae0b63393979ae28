// Tables of numbers from csv files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::media {

struct CsvTable {
  std::vector<std::string> names;            // of the columns, as the header spells them
  std::vector<std::vector<double>> columns;  // all of the same length; NaN where a field is empty
  std::string source;                        // for messages

  size_t rows() const { return columns.empty() ? 0 : columns[0].size(); }
  // The names joined by commas.
  std::string listed_names() const;
};

// A line of names, then lines of numbers; fields between commas, semicolons or tabs, whichever the
// header has, in quotes where they hold one; empty lines and lines that begin with # are passed
// over. Columns that hold other text are kept as NaN if
// `is_needed` says no to their name. `source` stands where the file name would in messages. Throws
// InputError naming the line and column.
CsvTable parse_csv(std::string_view text, const std::string& source,
                   const std::function<bool(std::string_view name)>& is_needed);

}  // namespace isthmus::media
