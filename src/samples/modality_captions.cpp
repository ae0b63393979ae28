#include "samples/modality_captions.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/content_hash.h"
#include "samples/entries.h"

namespace isthmus::samples {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  for (size_t begin = 0;;) {
    const size_t tab = line.find('\t', begin);
    fields.push_back(line.substr(begin, tab - begin));
    if (tab == std::string::npos) return fields;
    begin = tab + 1;
  }
}

class ModalityCaptions final : public DataSet {
 public:
  ModalityCaptions(const fs::path& list, const ModalityCaptionOptions& options)
      : list_(list),
        folder_(options.folder.empty() ? list.parent_path() : options.folder),
        modality_(options.modality) {
    if (list.extension() == ".json")
      read_windows();
    else
      read_table();
    if (samples_.empty())
      throw InputError(fmt::format("{}: lists no {}", list.string(), modality_));
    fingerprint_ = all_.hash().hex();
  }

  size_t size() const override { return samples_.size(); }
  Sample at(size_t index) const override { return samples_.at(index); }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  void add(int64_t place, Part medium, std::string caption) {
    all_.add(fmt::format("{}\n{}\n", medium.path.string(), caption));
    Sample& sample = samples_.emplace_back();
    sample.name = fmt::format("{}:{}", list_.filename().string(), place);
    sample.document = {std::move(medium), Part::of_text(std::move(caption))};
  }

  void read_table() {
    std::ifstream stream(list_, std::ios::binary);
    if (!stream || fs::is_directory(list_))
      throw InputError(fmt::format("{}: cannot be opened: {}", list_.string(),
                                   fs::is_directory(list_) ? "is a folder" : std::strerror(errno)));
    std::string line;
    std::vector<std::string> header;
    size_t caption = 0, url = 0, rgb = 0;
    for (int64_t number = 1; std::getline(stream, line); ++number) {
      if (line.ends_with('\r')) line.pop_back();
      if (line.empty()) continue;
      const std::vector<std::string> fields = fields_of(line);
      if (header.empty()) {
        header = fields;
        const auto column = [&](std::string_view name) {
          return static_cast<size_t>(std::ranges::find(header, name) - header.begin());
        };
        caption = column("caption"), url = column("url"), rgb = column("rgb");
        if (caption == header.size() || url == header.size())
          throw InputError(fmt::format(
              "{}:{}: expected a header with \"caption\" and \"url\" between tabs, found \"{}\"",
              list_.string(), number, line));
        continue;
      }
      if (fields.size() != header.size())
        throw InputError(fmt::format("{}:{}: has {} fields, the header has {}", list_.string(),
                                     number, fields.size(), header.size()));
      Part medium = Part::of_media(modality_, folder_ / fields[url]);
      if (rgb < fields.size()) medium.rgb = folder_ / fields[rgb];
      add(number, std::move(medium), fields[caption]);
    }
  }

  void read_windows() {
    for_each_entry(list_, [&](std::string_view key, const JsonView& entry) {
      if (!key.empty()) return;
      Part piece = Part::of_media(modality_, folder_ / (entry.string("video_uid") + ".npy"));
      piece.start = entry.number("window_start");
      piece.end = entry.number("window_end");
      add(static_cast<int64_t>(samples_.size()), std::move(piece), entry.string("text"));
    });
  }

  fs::path list_, folder_;
  std::string modality_;
  ContentHasher all_;
  std::vector<Sample> samples_;
  std::string fingerprint_;
};

}  // namespace

std::unique_ptr<DataSet> open_modality_captions(const fs::path& list,
                                                const ModalityCaptionOptions& options) {
  try {
    return std::make_unique<ModalityCaptions>(list, options);
  } catch (const ModelError& error) {  // JsonView speaks of models; here the fault is in the data
    throw InputError(error.what());
  }
}

}  // namespace isthmus::samples
