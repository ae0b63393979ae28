// CRC-32C, the checksum of record files.
#pragma once

#include <cstdint>
#include <string_view>

namespace isthmus::watch {

// Castagnoli's polynomial, reflected, as in RFC 3720, B.4.
uint32_t crc32c(std::string_view bytes);
// As TFRecord files store it, so that a checksum of bytes that hold checksums stays sound.
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace isthmus::watch
