// Pictures from files: JPEG, PNG, WebP, GIF, BMP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "media/image.h"

namespace isthmus::media {

// What a file may ask for; checked against its header, before anything is decoded or allocated.
struct ImageLimits {
  int64_t max_pixels = 178'956'970;  // where Pillow refuses a "decompression bomb"
  int64_t max_side = 1'000'000;      // libpng's own default
  int64_t max_file_bytes = int64_t{1} << 30;
};

// The pixels that Pillow 10.4 gives for Image.open(file).convert("RGB"): the format is told from
// the first bytes, EXIF orientation and colour profiles are ignored, alpha is dropped without
// compositing, transparency of palettes is ignored, 16-bit grey is clipped to 255, animations give
// their first frame. `source` stands where the file name would in messages. Throws InputError if
// the bytes are no such picture, are cut short or broken, or exceed `limits`; UnsupportedError for
// variants of these formats that are not read.
Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const ImageLimits& limits = {});

// As decode_image, from a regular file. Throws InputError if it cannot be read.
Image load_image(const std::filesystem::path& path, const ImageLimits& limits = {});

}  // namespace isthmus::media
