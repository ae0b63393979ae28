// Captions of Flickr30k outside JSON: the original token file, and tables with a header.
#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/atomic_file.h"
#include "eval/dataset_readers.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

struct Row {
  int64_t line;  // where it begins, from 1
  std::vector<std::string> cells;
};

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlank) - first + 1));
}

// Rows of a table. Only commas are used with quotes ("a ""quoted"" cell", which may hold commas and
// line breaks); in the others a quote is a character of the caption.
class TableReader {
 public:
  TableReader(std::string_view text, char delimiter) : text_(text), delimiter_(delimiter) {}

  std::optional<Row> next() {
    if (position_ >= text_.size()) return std::nullopt;
    Row row{line_, {""}};
    bool quoted = false;
    for (; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '\n') ++line_;
      if (c == '"' && delimiter_ == ',') {
        const bool doubled = quoted && position_ + 1 < text_.size() && text_[position_ + 1] == '"';
        if (doubled) {
          row.cells.back() += '"';
          ++position_;
        } else {
          quoted = !quoted;
        }
      } else if (c == '\n' && !quoted) {
        ++position_;
        break;
      } else if (c == delimiter_ && !quoted) {
        row.cells.emplace_back();
      } else {
        row.cells.back() += c;
      }
    }
    for (std::string& cell : row.cells) cell = trimmed(cell);
    return row;
  }

 private:
  std::string_view text_;
  char delimiter_;
  size_t position_ = 0;
  int64_t line_ = 1;
};

// Gathers the captions of a picture, which stand in rows of their own in most tables.
class Captions {
 public:
  explicit Captions(DatasetReading& reading) : reading_(reading) {}

  void add(const std::string& file_name, std::string caption) {
    const auto [place, is_new] = index_.try_emplace(file_name, reading_.dataset.samples.size());
    if (is_new) {
      Sample sample;
      sample.id = std::filesystem::path(file_name).stem().string();
      sample.image = reading_.pictures.find(file_name);
      reading_.dataset.samples.push_back(std::move(sample));
    }
    reading_.dataset.samples[place->second].references.push_back(std::move(caption));
  }

 private:
  DatasetReading& reading_;
  std::unordered_map<std::string, size_t> index_;
};

// "1000092795.jpg#0<TAB>Two young guys …"
void read_tokens(TableReader table, const std::string& source, DatasetReading& reading) {
  Captions captions(reading);
  while (const auto row = table.next())
    reading.dataset.broken.guard([&] {
      if (row->cells.size() == 1 && row->cells[0].empty()) return;
      const size_t hash = row->cells[0].rfind('#');
      if (row->cells.size() != 2 || hash == std::string::npos || hash == 0 || row->cells[1].empty())
        throw InputError(
            fmt::format("{}:{}: expected PICTURE#NUMBER, a tab and a caption", source, row->line));
      captions.add(row->cells[0].substr(0, hash), row->cells[1]);
    });
}

struct Columns {
  size_t image, caption;
  std::optional<size_t> split;
};

std::optional<size_t> column_named(const Row& header, std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    const auto found = std::find(header.cells.begin(), header.cells.end(), name);
    if (found != header.cells.end()) return static_cast<size_t>(found - header.cells.begin());
  }
  return std::nullopt;
}

Columns columns_of(const Row& header, const std::string& source) {
  constexpr std::array<std::string_view, 4> images{"image", "image_name", "filename", "file_name"};
  constexpr std::array<std::string_view, 4> captions{"caption", "comment", "raw", "sentence"};
  constexpr std::array<std::string_view, 1> splits{"split"};
  const auto image = column_named(header, images), caption = column_named(header, captions);
  if (!image || !caption)
    throw InputError(fmt::format(
        "{}:1: the header names the columns {}; expected one of {} and one of {}", source,
        fmt::join(header.cells, ", "), fmt::join(images, ", "), fmt::join(captions, ", ")));
  return {*image, *caption, column_named(header, splits)};
}

void read_table(TableReader table, const std::string& source, DatasetReading& reading) {
  const auto header = table.next();
  if (!header) return;
  const Columns columns = columns_of(*header, source);
  Captions captions(reading);
  reading.has_splits = columns.split.has_value();
  while (const auto row = table.next())
    reading.dataset.broken.guard([&] {
      const auto& cells = row->cells;
      if (cells.size() == 1 && cells[0].empty()) return;
      const auto where = fmt::format("{}:{}", source, row->line);
      if (cells.size() != header->cells.size())
        throw InputError(fmt::format("{}: {} columns, the header has {}", where, cells.size(),
                                     header->cells.size()));
      if (columns.split && !reading.options.split.empty() &&
          cells[*columns.split] != reading.options.split)
        return;
      const std::string& caption = cells[columns.caption];
      if (cells[columns.image].empty() || caption.empty())
        throw InputError(fmt::format("{}: the picture or the caption is empty", where));
      if (!caption.starts_with('[')) return captions.add(cells[columns.image], caption);
      // All captions of the picture in one cell, as a JSON list.
      for (std::string& text : texts_of(JsonView::parse(caption, where), "raw"))
        captions.add(cells[columns.image], std::move(text));
    });
}

}  // namespace

void read_caption_table(const std::filesystem::path& file, DatasetReading& reading) {
  const std::string text = read_file(file);
  const std::string_view first_line = std::string_view(text).substr(0, text.find('\n'));
  const size_t tab = first_line.find('\t');
  if (tab != std::string_view::npos &&
      first_line.substr(0, tab).find('#') != std::string_view::npos)
    return read_tokens(TableReader(text, '\t'), file.string(), reading);
  const char delimiter = tab != std::string_view::npos                    ? '\t'
                         : first_line.find('|') != std::string_view::npos ? '|'
                                                                          : ',';
  read_table(TableReader(text, delimiter), file.string(), reading);
}

}  // namespace isthmus::eval
