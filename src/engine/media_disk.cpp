#include "engine/media_disk.h"

#include <utility>

#include "isthmus/version.h"
#include "nn/weights_identity.h"

namespace isthmus::engine {
namespace {

// Raised when the bytes of a medium, or what they mean, change.
constexpr const char* kFormat = "isthmus media 1\n";

}  // namespace

ContentHash media_identity(families::Family& family) {
  ContentHasher hasher;
  for (const std::string& part :
       {std::string(kFormat), std::string(version()), nn::arithmetic_in_use(), family.fingerprint(),
        family.media_settings()}) {
    hasher.add(part);
    hasher.add("\n");
  }
  nn::add_weights(hasher, family.modules(), {"encoder.", "aligner."});
  return hasher.hash();
}

MediaDisk::MediaDisk(families::Family& family, std::shared_ptr<DiskCache> files)
    : files_(std::move(files)), model_(media_identity(family)) {}

ContentHash MediaDisk::key_of(const ContentHash& identity) const {
  return hash_text(model_.hex() + identity.hex());
}

std::optional<KeptMedium> MediaDisk::find(const ContentHash& identity) {
  ++queries_;
  const auto bytes = files_->find(key_of(identity));
  auto medium = bytes ? medium_of(*bytes) : std::nullopt;
  if (medium) ++hits_;
  return medium;
}

void MediaDisk::keep(std::shared_ptr<const CachedMedia> medium) {
  const size_t bytes = medium->encoded.bytes();
  const ContentHash key = key_of(medium->hash);
  files_->keep(key, bytes, [medium = std::move(medium)] { return bytes_of(*medium); });
}

}  // namespace isthmus::engine
