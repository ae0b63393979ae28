#include "samples/caption_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "base/content_hash.h"

namespace isthmus::samples {
namespace {

namespace fs = std::filesystem;

struct Row {
  int64_t line;  // on which it begins
  std::vector<std::string> fields;
};

std::vector<Row> rows_of(const std::string& text, const std::string& source) {
  std::vector<Row> rows;
  Row row{1, {""}};
  int64_t line = 1;
  bool quoted = false, any = false;
  const auto finish = [&] {
    if (any) rows.push_back(std::exchange(row, Row{line + 1, {""}}));
    row.line = line + 1;
    any = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\n') ++line;
      if (c != '"') {
        row.fields.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        row.fields.back() += text[++i];
      } else {
        quoted = false;
      }
      continue;
    }
    if (c == '\n') {
      finish();
      ++line;
    } else if (c == ',') {
      row.fields.emplace_back();
      any = true;
    } else if (c == '"' && row.fields.back().empty()) {
      quoted = any = true;
    } else if (c != '\r') {
      row.fields.back() += c;
      any = true;
    }
  }
  if (quoted) throw InputError(fmt::format("{}:{}: a quote is never closed", source, row.line));
  finish();
  return rows;
}

class CaptionFolder final : public DataSet {
 public:
  explicit CaptionFolder(const fs::path& table) : table_(table) {
    std::ifstream stream(table, std::ios::binary);
    if (!stream)
      throw InputError(
          fmt::format("{}: cannot be opened: {}", table.string(), std::strerror(errno)));
    std::ostringstream text;
    text << stream.rdbuf();
    fingerprint_ = hash_text(text.str()).hex();
    rows_ = rows_of(text.str(), table.string());
    if (rows_.empty()) throw InputError(fmt::format("{}: is empty", table.string()));
    const Row header = rows_.front();
    rows_.erase(rows_.begin());
    const auto column = [&](std::string_view name) -> size_t {
      const auto found = std::ranges::find(header.fields, name);
      return static_cast<size_t>(found - header.fields.begin());
    };
    file_ = column("file");
    caption_ = column("caption");
    modality_ = column("modality");
    for (const auto& [name, at] : {std::pair{"file", file_}, std::pair{"caption", caption_}})
      if (at == header.fields.size())
        throw InputError(fmt::format("{}:1: has no column \"{}\"", table.string(), name));
    for (const Row& row : rows_)
      if (row.fields.size() != header.fields.size())
        throw InputError(fmt::format("{}:{}: has {} fields, the header has {}", table.string(),
                                     row.line, row.fields.size(), header.fields.size()));
  }

  size_t size() const override { return rows_.size(); }
  std::string fingerprint() const override { return fingerprint_; }

  Sample at(size_t index) const override {
    const Row& row = rows_.at(index);
    Sample sample;
    sample.name = fmt::format("{}:{}", table_.filename().string(), row.line);
    const std::string modality = modality_ < row.fields.size() && !row.fields[modality_].empty()
                                     ? row.fields[modality_]
                                     : "image";
    sample.document = {Part::of_media(modality, table_.parent_path() / row.fields[file_]),
                       Part::of_text(row.fields[caption_])};
    return sample;
  }

 private:
  fs::path table_;
  std::vector<Row> rows_;
  size_t file_ = 0, caption_ = 0, modality_ = 0;
  std::string fingerprint_;
};

}  // namespace

std::unique_ptr<DataSet> open_caption_folder(const fs::path& table) {
  return std::make_unique<CaptionFolder>(table);
}

}  // namespace isthmus::samples
