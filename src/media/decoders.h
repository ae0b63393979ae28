// The decoder of each format, and what they share. Only decode_image.cpp calls the former.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "media/decode_image.h"
#include "media/native_image.h"

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

NativeImage decode_jpeg(const EncodedImage& file);
NativeImage decode_png(const EncodedImage& file);
NativeImage decode_webp(const EncodedImage& file);
NativeImage decode_gif(const EncodedImage& file);
NativeImage decode_bmp(const EncodedImage& file);

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

}  // namespace isthmus::media
