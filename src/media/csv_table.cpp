#include "media/csv_table.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/number_text.h"

namespace isthmus::media {
namespace {

std::string_view trimmed(std::string_view field) {
  constexpr std::string_view kAround = " \t\r\"";
  const size_t first = field.find_first_not_of(kAround);
  if (first == std::string_view::npos) return {};
  return field.substr(first, field.find_last_not_of(kAround) - first + 1);
}

std::vector<std::string_view> fields_of(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  for (size_t begin = 0;;) {
    size_t end = begin;
    for (bool quoted = false; end < line.size() && (quoted || line[end] != separator); ++end)
      if (line[end] == '"') quoted = !quoted;
    if (end == line.size()) end = std::string_view::npos;
    fields.push_back(trimmed(line.substr(begin, end - begin)));
    if (end == std::string_view::npos) return fields;
    begin = end + 1;
  }
}

// The next line that holds anything; false at the end.
bool next_line(std::string_view& text, std::string_view& line, int64_t& number) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (const auto content = trimmed(line); !content.empty() && content.front() != '#') return true;
  }
  return false;
}

char separator_of(std::string_view header) {
  for (const char separator : {',', ';', '\t'})
    if (header.find(separator) != std::string_view::npos) return separator;
  return ',';
}

}  // namespace

std::string CsvTable::listed_names() const {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  constexpr size_t kLongest = 200;
  if (list.size() > kLongest) list = list.substr(0, kLongest) + " …";
  return list;
}

CsvTable parse_csv(std::string_view text, const std::string& source,
                   const std::function<bool(std::string_view name)>& is_needed) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  CsvTable table;
  table.source = source;
  std::string_view line;
  int64_t number = 0;
  if (!next_line(text, line, number)) throw InputError(source + ": the file is empty");
  const char separator = separator_of(line);
  for (const std::string_view name : fields_of(line, separator)) table.names.emplace_back(name);
  if (std::all_of(table.names.begin(), table.names.end(),
                  [](const std::string& name) { return parse_number(name).has_value(); }))
    throw InputError(fmt::format("{}: line {} holds numbers; expected the names of the columns",
                                 source, number));
  table.columns.resize(table.names.size());
  while (next_line(text, line, number)) {
    const std::vector<std::string_view> fields = fields_of(line, separator);
    if (fields.size() != table.names.size())
      throw InputError(fmt::format("{}: line {} has {} fields, the header names {}", source, number,
                                   fields.size(), table.names.size()));
    for (size_t c = 0; c < fields.size(); ++c) {
      const std::optional<double> value = parse_number(fields[c]);
      if (!value && !fields[c].empty() && is_needed(table.names[c]))
        throw InputError(fmt::format("{}: line {}, column {}: \"{}\" is no number", source, number,
                                     table.names[c], fields[c].substr(0, 40)));
      table.columns[c].push_back(value.value_or(std::numeric_limits<double>::quiet_NaN()));
    }
  }
  return table;
}

}  // namespace isthmus::media
