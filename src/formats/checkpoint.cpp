#include "formats/checkpoint.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json_view.h"
#include "base/mapped_file.h"
#include "formats/bundle.h"
#include "formats/bytes.h"
#include "formats/safetensors.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kFolderFiles = {
    "model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json",
    "pytorch_model.bin"};
constexpr std::string_view kIndexEnding = ".index.json";
constexpr size_t kMaxListed = 10;

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string list_of(const std::vector<std::string>& names) {
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kMaxListed));
  return fmt::format(
      "{}{}", fmt::join(names.begin(), end, ", "),
      names.size() > kMaxListed ? fmt::format(" and {} more", names.size() - kMaxListed) : "");
}

// What stands in a model folder when the download of its large files failed or was skipped.
void refuse_placeholder(const MappedFile& file) {
  const std::string_view text = text_of(file.bytes());
  if (text.starts_with("version https://git-lfs"))
    throw ModelError(fmt::format(
        "{}: is a Git LFS pointer of {} bytes; the weights themselves were not downloaded",
        file.path().string(), text.size()));
  if (text.starts_with("<!DOCTYPE") || text.starts_with("<html"))
    throw ModelError(fmt::format("{}: is a web page, not a checkpoint", file.path().string()));
}

struct OpenedFile {
  CheckpointShard shard;
  fs::path source;  // where the bytes are
  std::vector<RawTensor> tensors;
};

OpenedFile open_file(const fs::path& path, const TorchReadOptions& options) {
  if (const auto bundled = bundled_weights(path)) {
    OpenedFile opened;
    opened.shard.file = path;
    opened.source = bundled->bundle;
    opened.tensors = bundled->tensors;
    for (const RawTensor& tensor : opened.tensors) opened.shard.names.push_back(tensor.name);
    return opened;
  }
  const auto file = MappedFile::open(path);
  refuse_placeholder(*file);
  OpenedFile opened;
  opened.shard.file = opened.source = path;
  if (path.extension() == ".safetensors") {
    auto safetensors = read_safetensors(file);
    opened.shard.format = FileFormat::kSafetensors;
    opened.shard.metadata = std::move(safetensors.metadata);
    opened.tensors = std::move(safetensors.tensors);
  } else if (path.extension() == ".bin" || path.extension() == ".pt" ||
             path.extension() == ".pth" || path.extension() == ".ckpt" ||
             is_torch_checkpoint(file->bytes())) {
    auto torch = read_torch_checkpoint(file, options);
    if (torch.tensors.empty())
      throw ModelError(fmt::format(
          "{}: holds no tensors{}", path.string(),
          torch.skipped.empty() ? "" : "; skipped objects of class " + list_of(torch.skipped)));
    opened.shard.format = FileFormat::kTorch;
    opened.shard.layout = std::move(torch.layout);
    opened.tensors = std::move(torch.tensors);
  } else {
    throw UnsupportedError(
        fmt::format("{}: expected a checkpoint (.safetensors, .bin, .pt, .pth)", path.string()));
  }
  for (const RawTensor& tensor : opened.tensors) opened.shard.names.push_back(tensor.name);
  return opened;
}

// Key -> shard, checked. Shards stand beside their index, possibly in a folder below.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const JsonView map = JsonView::load(index).at("weight_map");
  std::map<std::string, std::string> shard_of;
  std::map<std::string, std::string> missing;  // shard -> first key
  for (const auto& [key, value] : map.members()) {
    const std::string shard = value.as_string();
    const fs::path relative(shard);
    const bool outside = relative.is_absolute() ||
                         std::find(relative.begin(), relative.end(), "..") != relative.end();
    if (shard.empty() || outside)
      value.fail(fmt::format("{} is not a file beside the index", printable(shard)));
    shard_of[key] = shard;
  }
  if (shard_of.empty()) map.fail("names no tensors");
  for (const auto& [key, shard] : shard_of)
    if (!missing.contains(shard) && !file_exists(index.parent_path() / shard)) missing[shard] = key;
  if (missing.empty()) return shard_of;
  std::vector<std::string> lines;
  for (const auto& [shard, key] : missing)
    lines.push_back(fmt::format("{} (for {})", printable(shard), printable(key)));
  throw ModelError(fmt::format("{}: weight_map: {} missing beside the index: {}", index.string(),
                               missing.size() == 1 ? "a shard is" : "shards are", list_of(lines)));
}

}  // namespace

struct Checkpoint::State {
  std::vector<CheckpointShard> shards;
  std::vector<fs::path> files;
  std::vector<std::string> names;
  std::vector<RawTensor> tensors;
  std::unordered_map<std::string_view, size_t> index;  // into tensors, whose names it views
  fs::path index_file;

  void add(std::vector<OpenedFile> opened);
  void index_names();
};

void Checkpoint::State::add(std::vector<OpenedFile> opened) {
  for (OpenedFile& file : opened) {
    files.push_back(file.source);
    shards.push_back(std::move(file.shard));
    std::move(file.tensors.begin(), file.tensors.end(), std::back_inserter(tensors));
  }
  index_names();
}

void Checkpoint::State::index_names() {
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto [found, inserted] = index.emplace(tensors[i].name, i);
    if (!inserted)
      throw ModelError(fmt::format("{}: {}: is also in {}", tensors[i].file,
                                   printable(tensors[i].name), tensors[found->second].file));
    names.push_back(tensors[i].name);
  }
}

Checkpoint Checkpoint::open(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    for (const std::string_view name : kFolderFiles)
      if (file_exists(path / name)) return open(path / name);
    throw ModelError(fmt::format("{}: no checkpoint found; looked for {}", path.string(),
                                 fmt::join(kFolderFiles, ", ")));
  }
  if (path.string().ends_with(kIndexEnding)) return open_index(path);
  return open_files({&path, 1});
}

Checkpoint Checkpoint::open_files(std::span<const fs::path> files) {
  std::vector<OpenedFile> opened;
  for (const fs::path& file : files) opened.push_back(open_file(file, {}));
  auto state = std::make_shared<State>();
  state->add(std::move(opened));
  return Checkpoint(std::move(state));
}

Checkpoint Checkpoint::of_tensors(std::vector<RawTensor> tensors, std::vector<fs::path> files) {
  auto state = std::make_shared<State>();
  state->tensors = std::move(tensors);
  state->files = std::move(files);
  state->index_names();
  return Checkpoint(std::move(state));
}

Checkpoint Checkpoint::open_index(const fs::path& index) {
  const auto shard_of = read_weight_map(index);
  std::set<std::string> shards;
  for (const auto& [key, shard] : shard_of) shards.insert(shard);
  // The index spells the names as they are in the files: nothing is unwrapped or stripped.
  const TorchReadOptions as_spelt{{}, ""};
  std::vector<OpenedFile> opened;
  for (const std::string& shard : shards)
    opened.push_back(open_file(index.parent_path() / shard, as_spelt));

  auto state = std::make_shared<State>();
  state->index_file = index;
  state->add(std::move(opened));
  std::vector<std::string> broken;
  for (const auto& [key, shard] : shard_of) {
    const auto found = state->index.find(key);
    if (found == state->index.end() ||
        fs::path(state->tensors[found->second].file) != index.parent_path() / shard)
      broken.push_back(fmt::format("{} in {}", printable(key), printable(shard)));
  }
  if (!broken.empty())
    throw ModelError(fmt::format("{}: weight_map: {} tensors are not where it says: {}",
                                 index.string(), broken.size(), list_of(broken)));
  return Checkpoint(std::move(state));
}

const std::vector<std::string>& Checkpoint::names() const { return state_->names; }
const std::vector<fs::path>& Checkpoint::files() const { return state_->files; }
const std::vector<CheckpointShard>& Checkpoint::shards() const { return state_->shards; }
const fs::path& Checkpoint::index_file() const { return state_->index_file; }

const RawTensor* Checkpoint::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  return found == state_->index.end() ? nullptr : &state_->tensors[found->second];
}

const RawTensor& Checkpoint::at(std::string_view name) const {
  if (const RawTensor* tensor = find(name)) return *tensor;
  std::vector<std::string> files;
  for (const fs::path& file : state_->files) files.push_back(file.string());
  throw ModelError(fmt::format("{}: missing in {}", name, list_of(files)));
}

size_t Checkpoint::total_bytes() const {
  std::vector<std::pair<const std::byte*, const std::byte*>> ranges;
  for (const RawTensor& tensor : state_->tensors)
    ranges.emplace_back(tensor.bytes.data(), tensor.bytes.data() + tensor.bytes.size());
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return std::less<>()(a.first, b.first); });
  size_t total = 0;
  const std::byte* covered = nullptr;
  for (const auto& [begin, end] : ranges) {
    const std::byte* from = std::max(begin, covered, std::less<>());
    if (std::less<>()(from, end)) total += static_cast<size_t>(end - from);
    covered = std::max(covered, end, std::less<>());
  }
  return total;
}

}  // namespace isthmus::formats
