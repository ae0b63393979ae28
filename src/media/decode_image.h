// Pictures from files: JPEG, PNG, WebP, GIF, BMP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "media/native_image.h"

namespace isthmus::media {

// What a file may ask for; checked against its header, before anything is decoded or allocated.
struct ImageLimits {
  int64_t max_pixels = 178'956'970;  // where Pillow refuses a "decompression bomb"
  int64_t max_side = 1'000'000;      // libpng's own default
  int64_t max_file_bytes = int64_t{1} << 30;
};

// The mode and samples that Pillow 10.4 gives for Image.open(file): the format is told from the
// first bytes, EXIF orientation and colour profiles are ignored, transparency of palettes and of
// single colours is ignored, animations give their first frame. `source` stands where the file name
// would in messages. Throws InputError if the bytes are no such picture, are cut short or broken,
// or exceed `limits`; UnsupportedError for variants of these formats that are not read.
NativeImage decode_native_image(std::span<const std::byte> bytes, const std::string& source,
                                const ImageLimits& limits = {});
// As decode_native_image, from a regular file. Throws InputError if it cannot be read.
NativeImage load_native_image(const std::filesystem::path& path, const ImageLimits& limits = {});

// The same converted to RGB (to_rgb): the pixels of Image.open(file).convert("RGB").
Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const ImageLimits& limits = {});
Image load_image(const std::filesystem::path& path, const ImageLimits& limits = {});

}  // namespace isthmus::media
