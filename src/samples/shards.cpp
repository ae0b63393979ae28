#include "samples/shards.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/content_hash.h"
#include "base/mapped_file.h"
#include "formats/tar_index.h"

namespace isthmus::samples {
namespace {

namespace fs = std::filesystem;

struct Extent {
  std::string extension;
  uint64_t offset, size;
};

struct Entry {
  size_t shard;
  std::string key;
  std::vector<Extent> members;
};

// "dir.v1/a.seg.json" -> "dir.v1/a", "seg.json"
std::pair<std::string, std::string> split(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == std::string::npos ? 0 : slash + 1);
  if (dot == std::string::npos) return {name, ""};
  std::string extension = name.substr(dot + 1);
  std::ranges::transform(extension, extension.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return {name.substr(0, dot), std::move(extension)};
}

class Shards final : public DataSet {
 public:
  Shards(const fs::path& place, ShardKind kind, const InterleavedOptions& options)
      : kind_(kind), options_(options) {
    ContentHasher all;
    for (const fs::path& path : find_shards(place)) {
      files_.push_back(MappedFile::open(path));
      const size_t shard = files_.size() - 1;
      for (const formats::TarMember& member : formats::index_tar(*files_.back())) {
        all.add(fmt::format("{} {} {}\n", member.name, member.offset, member.size));
        add(shard, member);
      }
    }
    if (entries_.empty())
      throw InputError(fmt::format("{}: its tar files hold no sample", place.string()));
    fingerprint_ = all.hash().hex();
  }

  size_t size() const override { return entries_.size(); }
  std::string fingerprint() const override { return fingerprint_; }

  Sample at(size_t index) const override {
    const Entry& entry = entries_.at(index);
    const MappedFile& file = *files_[entry.shard];
    const std::string name =
        fmt::format("{}/{}", file.path().filename().string(), entry.key);
    if (kind_ == ShardKind::kPairs) {
      Members members;
      for (const Extent& member : entry.members) {
        const auto bytes = file.bytes().subspan(member.offset, member.size);
        members[member.extension] = {bytes.begin(), bytes.end()};
      }
      return read_caption_pair(members, name);
    }
    const auto json = std::ranges::find(entry.members, "json", &Extent::extension);
    if (json == entry.members.end()) throw BadSample(name, "has no page (.json)");
    const auto bytes = file.bytes().subspan(json->offset, json->size);
    return read_interleaved({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name,
                            options_);
  }

 private:
  void add(size_t shard, const formats::TarMember& member) {
    auto [key, extension] = split(member.name);
    const bool continues =
        !entries_.empty() && entries_.back().shard == shard && entries_.back().key == key &&
        std::ranges::find(entries_.back().members, extension, &Extent::extension) ==
            entries_.back().members.end();
    if (!continues) entries_.push_back({shard, std::move(key), {}});
    entries_.back().members.push_back({std::move(extension), member.offset, member.size});
  }

  ShardKind kind_;
  InterleavedOptions options_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::vector<Entry> entries_;
  std::string fingerprint_;
};

}  // namespace

std::vector<fs::path> find_shards(const fs::path& place) {
  const std::string text = place.string();
  const size_t open = text.find('{'), dots = text.find("..", open), close = text.find('}', open);
  std::vector<fs::path> files;
  if (open != std::string::npos && dots < close && close != std::string::npos) {
    const std::string first = text.substr(open + 1, dots - open - 1);
    const std::string last = text.substr(dots + 2, close - dots - 2);
    const auto is_number = [](const std::string& word) {
      return !word.empty() && word.size() < 12 &&
             word.find_first_not_of("0123456789") == std::string::npos;
    };
    if (!is_number(first) || !is_number(last) || std::stoll(first) > std::stoll(last))
      throw InputError(fmt::format("{}: expected a range of numbers, as in {{00000..00031}}", text));
    std::vector<std::string> missing;
    for (int64_t i = std::stoll(first); i <= std::stoll(last); ++i) {
      files.emplace_back(fmt::format("{}{:0{}}{}", text.substr(0, open), i, first.size(),
                                     text.substr(close + 1)));
      if (!fs::exists(files.back())) missing.push_back(files.back().string());
    }
    if (!missing.empty()) throw InputError(fmt::format("not there: {}", fmt::join(missing, ", ")));
    return files;
  }
  if (!fs::is_directory(place)) {
    if (!fs::exists(place)) throw InputError(fmt::format("{}: is not there", text));
    return {place};
  }
  for (const fs::directory_entry& file : fs::directory_iterator(place))
    if (file.path().extension() == ".tar") files.push_back(file.path());
  if (files.empty()) throw InputError(fmt::format("{}: holds no *.tar file", text));
  std::ranges::sort(files);
  return files;
}

std::unique_ptr<DataSet> open_shards(const fs::path& place, ShardKind kind,
                                     const InterleavedOptions& options) {
  return std::make_unique<Shards>(place, kind, options);
}

}  // namespace isthmus::samples
