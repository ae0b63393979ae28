// An encoded medium as bytes, to be kept on disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/media_cache.h"

namespace isthmus::engine {

// What a medium became: the cache's entry without its id and hash.
struct KeptMedium {
  modalities::Prepared prepared;  // without its values
  families::EncodedMedia encoded;
};

// Every tensor to the bit, in the type it has. Safe from any thread.
std::string bytes_of(const CachedMedia& medium);
// Nothing for what bytes_of did not write.
std::optional<KeptMedium> medium_of(std::string_view bytes);

}  // namespace isthmus::engine
