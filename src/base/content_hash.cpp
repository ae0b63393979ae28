#include "base/content_hash.h"

#include <fstream>
#include <new>
#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

namespace isthmus {

std::string ContentHash::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

ContentHash hash_bytes(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

ContentHash hash_text(std::string_view text) { return hash_bytes(std::as_bytes(std::span(text))); }

struct ContentHasher::State {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> xxh3{XXH3_createState(),
                                                                       XXH3_freeState};
};

ContentHasher::ContentHasher() : state_(std::make_shared<State>()) {
  if (state_->xxh3 == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_->xxh3.get());
}

void ContentHasher::add(std::string_view piece) {
  XXH3_128bits_update(state_->xxh3.get(), piece.data(), piece.size());
}

ContentHash ContentHasher::hash() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh3.get());
  return {hash.high64, hash.low64};
}

std::optional<ContentHash> hash_file(const std::filesystem::path& file) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(file, failure)) return std::nullopt;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  ContentHasher hasher;
  std::vector<char> chunk(1 << 20);
  while (stream) {
    stream.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    hasher.add({chunk.data(), static_cast<size_t>(stream.gcount())});
  }
  if (!stream.eof()) return std::nullopt;
  return hasher.hash();
}

}  // namespace isthmus
