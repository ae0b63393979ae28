// The compression of binary_compressed pcd files (Marc Lehmann's LZF).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace isthmus::media {

// Empty unless `compressed` gives exactly `size` bytes.
std::vector<std::byte> decompress_lzf(std::span<const std::byte> compressed, size_t size);

}  // namespace isthmus::media
