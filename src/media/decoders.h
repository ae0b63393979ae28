// The decoder of each format, and what they share. Only decode_image.cpp calls the former.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "media/decode_image.h"
#include "media/image.h"

namespace isthmus::media {

struct EncodedImage {
  std::span<const std::byte> bytes;
  const std::string& source;
  const ImageLimits& limits;

  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(bytes.data()); }
  // "<source>: <what>", an InputError.
  [[noreturn]] void fail(std::string_view what) const;
  [[noreturn]] void fail_truncated(std::string_view format) const;
  // Throws unless 1 <= width, height and the picture is within the limits.
  void check_size(int64_t width, int64_t height) const;
};

Image decode_jpeg(const EncodedImage& file);
Image decode_png(const EncodedImage& file);
Image decode_webp(const EncodedImage& file);
Image decode_gif(const EncodedImage& file);
Image decode_bmp(const EncodedImage& file);

// Reads little-endian numbers; running off the end is a truncated file.
class ByteCursor {
 public:
  ByteCursor(const EncodedImage& file, std::string_view format) : file_(file), format_(format) {}

  uint8_t u8() { return take(1)[0]; }
  uint16_t u16();
  uint32_t u32();
  const uint8_t* take(size_t count);
  void seek(size_t position);
  size_t position() const { return position_; }
  size_t remaining() const { return file_.bytes.size() - position_; }

 private:
  const EncodedImage& file_;
  std::string_view format_;
  size_t position_ = 0;
};

// Colours of an indexed picture. Indices beyond the stored colours are black, as in Pillow.
struct Palette {
  std::array<Rgb, 256> colours{};
};

// The picture of width * height palette indices.
Image apply_palette(std::span<const uint8_t> indices, int64_t width, int64_t height,
                    const Palette& palette);

}  // namespace isthmus::media
