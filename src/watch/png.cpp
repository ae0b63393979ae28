#include "watch/png.h"

#include <string_view>
#include <utility>

#include <zlib.h>

#include "base/check.h"

namespace isthmus::watch {
namespace {

using namespace std::string_literals;

void append_big_endian(std::string& to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(value >> shift & 0xFF);
}

// Length, type, data, CRC-32 of type and data.                              PNG, 2nd edition, §5.3
void append_chunk(std::string& to, std::string_view type, std::string_view data) {
  append_big_endian(to, static_cast<uint32_t>(data.size()));
  const std::string body = std::string(type).append(data);
  to += body;
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  append_big_endian(to, static_cast<uint32_t>(crc));
}

std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string packed(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                               reinterpret_cast<const Bytef*>(bytes.data()),
                               static_cast<uLong>(bytes.size()), Z_BEST_SPEED);
  ISTHMUS_CHECK(status == Z_OK, "zlib");
  packed.resize(size);
  return packed;
}

}  // namespace

std::string encode_png(int64_t width, int64_t height, int64_t channels,
                       std::span<const uint8_t> pixels) {
  ISTHMUS_CHECK(channels == 1 || channels == 3 || channels == 4, "channels of a picture");
  ISTHMUS_CHECK(width > 0 && height > 0 && width < 1 << 20 && height < 1 << 20,
                "a picture of no size");
  const auto stride = static_cast<size_t>(width * channels);
  ISTHMUS_CHECK(pixels.size() == stride * static_cast<size_t>(height), "pixels of a picture");
  // Every row says how it is filtered. 1, "Sub": the difference to the pixel on the left.
  std::string rows;
  rows.reserve(pixels.size() + static_cast<size_t>(height));
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    const std::span<const uint8_t> row = pixels.subspan(y * stride, stride);
    rows += '\1';
    for (size_t x = 0; x < stride; ++x) {
      const size_t step = static_cast<size_t>(channels);
      rows += static_cast<char>(row[x] - (x < step ? 0 : row[x - step]));
    }
  }
  std::string header;
  append_big_endian(header, static_cast<uint32_t>(width));
  append_big_endian(header, static_cast<uint32_t>(height));
  header += '\x08';                                              // bits a sample
  header += channels == 1 ? '\0' : channels == 3 ? '\2' : '\6';  // grey, RGB, RGBA
  header += "\0\0\0"s;                                           // deflate, filters, no interlace
  std::string file = "\x89PNG\r\n\x1a\n";
  append_chunk(file, "IHDR", header);
  append_chunk(file, "IDAT", deflated(rows));
  append_chunk(file, "IEND", "");
  return file;
}

}  // namespace isthmus::watch
