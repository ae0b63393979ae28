#include "eval/feature_cache.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "isthmus/error.h"

namespace isthmus::eval {
namespace {

// magic, then: length and bytes of the fingerprint; width; count; per picture length and bytes of
// its key and `width` floats; at the end the hash of everything before it. Integers are 64-bit
// little endian, as is every machine this runs on.
constexpr std::string_view kMagic = "isthmus features 1\n";
constexpr uint64_t kLongestText = uint64_t{1} << 16;

// The file changes whenever the picture does, as far as a file system tells. nullopt: no such file.
std::optional<std::string> key_of(const std::filesystem::path& picture) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(picture, error);
  if (error) return std::nullopt;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return std::nullopt;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return std::nullopt;
  return fmt::format("{}|{}|{}", path.string(), size, time.time_since_epoch().count());
}

void append(std::string& out, uint64_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append(std::string& out, std::string_view text) {
  append(out, text.size());
  out += text;
}

// Reads what append() wrote; everything is nullopt behind the end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  std::optional<std::string_view> take(uint64_t count) {
    if (count > bytes_.size()) return std::nullopt;
    const auto taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  std::optional<uint64_t> integer() {
    const auto bytes = take(sizeof(uint64_t));
    if (!bytes) return std::nullopt;
    uint64_t value = 0;
    std::memcpy(&value, bytes->data(), sizeof value);
    return value;
  }
  std::optional<std::string_view> text() {
    const auto length = integer();
    return length && *length <= kLongestText ? take(*length) : std::nullopt;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

using Embeddings = std::unordered_map<std::string, std::vector<float>>;

std::optional<Embeddings> parse(std::string_view bytes, const std::string& fingerprint) {
  if (bytes.size() < sizeof(uint64_t)) return std::nullopt;
  const auto content = bytes.substr(0, bytes.size() - sizeof(uint64_t));
  if (Cursor(bytes.substr(content.size())).integer() != hash_text(content).low) return std::nullopt;
  Cursor cursor(content);
  if (cursor.take(kMagic.size()) != kMagic || cursor.text() != fingerprint) return std::nullopt;
  const auto width = cursor.integer(), count = cursor.integer();
  if (!width || !count || *width > kLongestText) return std::nullopt;
  Embeddings embeddings;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto key = cursor.text(), values = cursor.take(*width * sizeof(float));
    if (!key || !values) return std::nullopt;
    std::vector<float> embedding(*width);
    if (!values->empty()) std::memcpy(embedding.data(), values->data(), values->size());
    embeddings.emplace(*key, std::move(embedding));
  }
  return cursor.at_end() ? std::optional(std::move(embeddings)) : std::nullopt;
}

}  // namespace

FeatureCache::FeatureCache(std::filesystem::path folder, std::string fingerprint)
    : file_(folder / fmt::format("features-{}.bin", hash_text(fingerprint).hex())),
      fingerprint_(std::move(fingerprint)) {
  load();
}

void FeatureCache::load() {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file_, ignored)) return;
  try {
    const auto mapped = MappedFile::open(file_);
    const auto bytes = mapped->bytes();
    auto parsed = parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, fingerprint_);
    if (parsed)
      embeddings_ = std::move(*parsed);
    else
      log::warn(file_.string() + ": is damaged; the features are computed again");
  } catch (const ModelError& error) {
    log::warn(error.what());
  }
}

const std::vector<float>* FeatureCache::find(const std::filesystem::path& picture) const {
  const auto key = key_of(picture);
  if (!key) return nullptr;
  const auto found = embeddings_.find(*key);
  return found == embeddings_.end() ? nullptr : &found->second;
}

void FeatureCache::put(const std::filesystem::path& picture, std::vector<float> embedding) {
  const auto key = key_of(picture);
  if (!key || key->size() > kLongestText || embedding.size() > kLongestText) return;
  const bool same_width =
      embeddings_.empty() || embeddings_.begin()->second.size() == embedding.size();
  if (!same_width) embeddings_.clear();  // of another model that had the same fingerprint
  embeddings_[*key] = std::move(embedding);
  changed_ = true;
}

void FeatureCache::save() {
  if (!changed_) return;
  std::error_code error;
  std::filesystem::create_directories(file_.parent_path(), error);
  if (error)
    throw ResourceError(
        fmt::format("{}: cannot be made: {}", file_.parent_path().string(), error.message()));
  AtomicFile file(file_);
  ContentHasher hasher;
  std::string block(kMagic);
  const auto flush = [&] {
    hasher.add(block);
    file.write(std::string_view(block));
    block.clear();
  };
  append(block, fingerprint_);
  append(block, embeddings_.empty() ? 0 : uint64_t{embeddings_.begin()->second.size()});
  append(block, uint64_t{embeddings_.size()});
  for (const auto& [key, embedding] : embeddings_) {
    append(block, key);
    block.append(reinterpret_cast<const char*>(embedding.data()), embedding.size() * sizeof(float));
    if (block.size() > size_t{1} << 20) flush();
  }
  flush();
  append(block, hasher.hash().low);
  file.write(std::string_view(block));
  file.commit();
  changed_ = false;
}

std::filesystem::path FeatureCache::default_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::filesystem::path(cache) / "isthmus";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::filesystem::path(home) / ".cache" / "isthmus";
  return std::filesystem::temp_directory_path() / "isthmus";
}

}  // namespace isthmus::eval
