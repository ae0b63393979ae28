#include "media/decode_image.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/decoders.h"

namespace isthmus::media {
namespace {

// The first bytes as a person would want to see them: quoted if they are text, else in hexadecimal.
std::string beginning_of(std::span<const std::byte> bytes) {
  const auto head = bytes.first(std::min<size_t>(bytes.size(), 16));
  std::string text, hex;
  bool printable = true;
  for (const std::byte byte : head) {
    const auto value = std::to_integer<unsigned char>(byte);
    printable = printable && ((value >= 0x20 && value < 0x7f) || value == '\n' || value == '\r' ||
                              value == '\t');
    text += value < 0x20 ? ' ' : static_cast<char>(value);
    hex += fmt::format("{}{:02x}", hex.empty() ? "" : " ", value);
  }
  return printable ? fmt::format("\"{}\"", text) : hex;
}

bool has_bytes_at(std::span<const std::byte> bytes, size_t position, std::string_view expected) {
  return bytes.size() >= position + expected.size() &&
         std::memcmp(bytes.data() + position, expected.data(), expected.size()) == 0;
}

}  // namespace

void EncodedImage::fail(std::string_view what) const {
  throw InputError(fmt::format("{}: {}", source, what));
}

void EncodedImage::fail_truncated(std::string_view format) const {
  fail(fmt::format("{} file is truncated: it ends after {} bytes, before the picture is complete",
                   format, bytes.size()));
}

void EncodedImage::check_size(int64_t width, int64_t height) const {
  if (width < 1 || height < 1)
    fail(fmt::format("picture is {}x{} pixels; both sides must be at least 1", width, height));
  if (width > limits.max_side || height > limits.max_side)
    fail(fmt::format("picture is {}x{} pixels; the limit is {} per side. Scale it down first",
                     width, height, limits.max_side));
  if (width > limits.max_pixels / height)
    fail(fmt::format("picture is {}x{} = {} pixels; the limit is {}. Scale it down first", width,
                     height, width * height, limits.max_pixels));
}

uint16_t ByteCursor::u16() {
  const uint8_t* p = take(2);
  return static_cast<uint16_t>(p[0] | p[1] << 8);
}

uint32_t ByteCursor::u32() {
  const uint8_t* p = take(4);
  return p[0] | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}

const uint8_t* ByteCursor::take(size_t count) {
  if (count > remaining()) file_.fail_truncated(format_);
  const uint8_t* here = file_.data() + position_;
  position_ += count;
  return here;
}

void ByteCursor::seek(size_t position) {
  if (position > file_.bytes.size()) file_.fail_truncated(format_);
  position_ = position;
}

Image filled_image(int64_t width, int64_t height, const Rgb& colour) {
  Image image{width, height, 3,
              std::vector<uint8_t>(static_cast<size_t>(width * height * 3), colour[0])};
  if (colour[0] == colour[1] && colour[1] == colour[2]) return image;
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = colour[i % 3];
  return image;
}

NativeImage decode_native_image(std::span<const std::byte> bytes, const std::string& source,
                                const ImageLimits& limits) {
  const EncodedImage file{bytes, source, limits};
  if (bytes.empty()) file.fail("the file is empty; expected a picture (JPEG, PNG, WebP, GIF, BMP)");
  if (has_bytes_at(bytes, 0, "\xff\xd8\xff")) return decode_jpeg(file);
  if (has_bytes_at(bytes, 0, "\x89PNG\r\n\x1a\n")) return decode_png(file);
  if (has_bytes_at(bytes, 0, "RIFF") && has_bytes_at(bytes, 8, "WEBP")) return decode_webp(file);
  if (has_bytes_at(bytes, 0, "GIF87a") || has_bytes_at(bytes, 0, "GIF89a")) return decode_gif(file);
  if (has_bytes_at(bytes, 0, "BM")) return decode_bmp(file);
  file.fail(fmt::format("not an image this build reads (JPEG, PNG, WebP, GIF, BMP); begins with {}",
                        beginning_of(bytes)));
}

NativeImage load_native_image(const std::filesystem::path& path, const ImageLimits& limits) {
  const std::string source = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw InputError(source + ": no such file");
  if (!std::filesystem::is_regular_file(status))
    throw InputError(source + ": not a regular file; expected a picture");
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  const auto size = stream ? static_cast<int64_t>(stream.tellg()) : int64_t{-1};
  if (size < 0) throw InputError(source + ": cannot be opened for reading");
  if (size > limits.max_file_bytes)
    throw InputError(fmt::format("{}: file has {} bytes; the limit for a picture is {}", source,
                                 size, limits.max_file_bytes));
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!stream && size > 0) throw InputError(source + ": cannot be read");
  return decode_native_image(bytes, source, limits);
}

Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const ImageLimits& limits) {
  return to_rgb(decode_native_image(bytes, source, limits));
}

Image load_image(const std::filesystem::path& path, const ImageLimits& limits) {
  return to_rgb(load_native_image(path, limits));
}

}  // namespace isthmus::media
