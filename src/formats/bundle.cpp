#include "formats/bundle.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/mapped_file.h"
#include "base/temporary_folder.h"
#include "formats/bytes.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

namespace fs = std::filesystem;

constexpr const char *kName = "isthmus.name", *kModel = "isthmus.model";
constexpr size_t kLargestFile = size_t{256} << 20;  // a tokenizer has some megabytes

// A path that stays below where it is put, of a length that every file system takes.
bool stays_inside(const std::string& text) {
  constexpr size_t kLongest = 1024, kLongestPart = 200;
  const fs::path path(text);
  return !text.empty() && text.size() <= kLongest && text.find('\0') == std::string::npos &&
         text.find(':') == text.npos && path.is_relative() &&
         std::ranges::none_of(path, [](const fs::path& part) {
           return part == ".." || part == "." || part.empty() ||
                  part.native().size() > kLongestPart;
         });
}

bool is_plain_name(const std::string& text) {
  return stays_inside(text) && text.find('/') == std::string::npos;
}

RawTensor bytes_tensor(std::string name, const std::string& content) {
  RawTensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = DType::kU8;
  tensor.shape = {static_cast<int64_t>(content.size())};
  tensor.strides = {1};
  tensor.bytes = std::as_bytes(std::span(content));
  return tensor;
}

// What was laid out, taken away when the process ends.
class Mounts {
 public:
  ~Mounts() {
    std::error_code ignored;
    for (const auto& [bundle, mounted] : mounts_) fs::remove_all(mounted.root, ignored);
  }

  struct Mounted {
    fs::path root, folder, model, given;
  };

  Mounted mount(const fs::path& path) {
    const fs::path key = fs::weakly_canonical(path);
    const std::lock_guard lock(mutex_);
    const auto found = mounts_.find(key);
    if (found != mounts_.end()) return found->second;
    lay_out(key);
    mounts_[key].given = path;
    return mounts_[key];
  }

  fs::path path_for_users(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    std::error_code ignored;
    const fs::path place = mounts_.empty() ? path : fs::weakly_canonical(path, ignored);
    for (const auto& [bundle, mounted] : mounts_) {
      const auto end = std::ranges::mismatch(mounted.root, place).in1;
      if (end == mounted.root.end()) return mounted.given;
    }
    return path;
  }

  std::shared_ptr<const BundledWeights> at(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    if (weights_.empty()) return nullptr;
    std::error_code ignored;
    const auto found = weights_.find(fs::weakly_canonical(path, ignored));
    return found != weights_.end() ? found->second : nullptr;
  }

 private:
  void lay_out(const fs::path& bundle) {
    const auto fail = [&](std::string_view key, const std::string& what) {
      throw ModelError(fmt::format("{}: {}: {}", bundle.string(), printable(key), what));
    };
    const auto file = MappedFile::open(bundle);
    Safetensors content = read_safetensors(file);
    const std::string name = content.metadata[kName], model = content.metadata[kModel];
    if (!is_plain_name(name)) fail(kName, "expected the name of a folder");
    if (model != "." && !stays_inside(model)) fail(kModel, "expected a path inside the model");
    std::map<std::string, BundledWeights> weights;
    std::map<std::string, std::span<const std::byte>> files;
    for (RawTensor& tensor : content.tensors) {
      const size_t colon = tensor.name.find(':');
      const std::string place = tensor.name.substr(0, colon);
      if (colon == std::string::npos || !stays_inside(place))
        fail(tensor.name, "expected FILE:NAME, with a file inside the model");
      if (colon + 1 < tensor.name.size()) {
        tensor.name.erase(0, colon + 1);
        weights[place].tensors.push_back(std::move(tensor));
        continue;
      }
      if (tensor.dtype != DType::kU8 || tensor.bytes.size() > kLargestFile)
        fail(tensor.name, fmt::format("expected a file of at most {} bytes", kLargestFile));
      files[place] = tensor.bytes;
    }
    // Of llama.cpp's files the head is kept as a file, and says what the weights are for.
    constexpr std::string_view kGguf = "GGUF";
    for (const auto& [place, found] : weights)
      if (const auto file = files.find(place);
          file != files.end() && !text_of(file->second).starts_with(kGguf))
        fail(place, "is a file and has weights");
    const auto is_model = [&](const auto& entry) {
      return model == "." || entry.first == model || entry.first.starts_with(model + "/");
    };
    if (std::ranges::none_of(files, is_model) && std::ranges::none_of(weights, is_model))
      fail(kModel, fmt::format("\"{}\" names nothing in the file", printable(model)));

    TemporaryFolder laid_out("isthmus-model");
    const fs::path folder = laid_out.path() / name;
    const auto put = [&](const std::string& place, std::string_view bytes) {
      std::error_code error;
      fs::create_directories((folder / place).parent_path(), error);
      // A name that is too long, or another file's as a folder: nothing a bundle was written with.
      if (error) fail(place, fmt::format("cannot be laid out: {}", error.message()));
      if (fs::is_directory(folder / place, error)) fail(place, "is a file and a folder");
      write_file(folder / place, bytes);
    };
    for (const auto& [place, bytes] : files) put(place, text_of(bytes));
    for (const auto& [place, found] : weights)
      if (!files.contains(place)) put(place, "");
    for (auto& [place, found] : weights) {
      found.bundle = bundle;
      weights_[folder / place] = std::make_shared<const BundledWeights>(std::move(found));
    }
    const fs::path opened = model == "." ? folder : folder / model;
    laid_out.keep();
    mounts_[bundle] = {laid_out.path(), folder, opened, bundle};
  }

  std::mutex mutex_;
  std::map<fs::path, Mounted> mounts_;
  std::map<fs::path, std::shared_ptr<const BundledWeights>> weights_;
};

Mounts& mounts() {
  static Mounts all;
  return all;
}

}  // namespace

void write_bundle(const fs::path& path, const BundleContents& contents, size_t room) {
  const auto require = [&](bool holds, const std::string& name) {
    if (!holds)
      throw ModelError(
          fmt::format("{}: {}: no name of a file in a bundle", path.string(), printable(name)));
  };
  require(is_plain_name(contents.name), contents.name);
  std::vector<OutgoingTensor> all;
  for (const auto& [file, text] : contents.files) {
    require(stays_inside(file), file);
    all.push_back(outgoing(bytes_tensor(file + ":", text)));
  }
  for (const auto& [file, tensors] : contents.weights) {
    require(stays_inside(file), file);
    for (OutgoingTensor tensor : tensors) {
      tensor.name = file + ":" + tensor.name;
      all.push_back(std::move(tensor));
    }
  }
  write_safetensors(path, all, {{kName, contents.name}, {kModel, contents.model}}, room);
}

void add_to_bundle(const fs::path& path, const std::map<std::string, std::string>& files) {
  std::vector<RawTensor> all;
  for (const auto& [file, text] : files) {
    ISTHMUS_CHECK(stays_inside(file), file);
    all.push_back(bytes_tensor(file + ":", text));
  }
  append_bytes(path, all);
}

bool is_bundle(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  // The metadata stand first in what is written here.
  constexpr size_t kLooked = 4096;
  try {
    const auto file = MappedFile::open(path);
    const auto bytes = file->bytes();
    const auto head = text_of(bytes.first(std::min(bytes.size(), kLooked)));
    return head.size() > 9 && head[8] == '{' && head.find(kModel) != std::string_view::npos;
  } catch (const Error&) {
    return false;
  }
}

fs::path mount_bundle(const fs::path& path) { return mounts().mount(path).model; }

std::optional<fs::path> bundled_case(const fs::path& path) {
  const fs::path folder = mounts().mount(path).folder / kBundledCase;
  if (!fs::is_directory(folder)) return std::nullopt;
  return folder;
}

fs::path path_for_users(const fs::path& path) { return mounts().path_for_users(path); }

std::shared_ptr<const BundledWeights> bundled_weights(const fs::path& path) {
  return mounts().at(path);
}

}  // namespace isthmus::formats
