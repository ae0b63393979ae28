#include "media/encode_png.h"

#include <bit>
#include <csetjmp>

#include <png.h>

#include "base/check.h"

namespace isthmus::media {
namespace {

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::byte> file;
  std::jmp_buf escape{};

  ~Writer() { png_destroy_write_struct(&png, &info); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp) {
  std::longjmp(static_cast<Writer*>(png_get_error_ptr(png))->escape, 1);
}

void append(png_structp png, png_bytep data, size_t count) {
  auto& file = static_cast<Writer*>(png_get_io_ptr(png))->file;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  file.insert(file.end(), bytes, bytes + count);
}

struct Format {
  int64_t width, height;
  int bits, colour_type;
};

// As for reading: errors jump, so libpng is called in a function that owns nothing.
bool write(Writer& writer, const Format& format, const png_byte* rows, size_t stride) {
  if (setjmp(writer.escape) != 0) return false;
  png_set_write_fn(writer.png, &writer, append, nullptr);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(format.width),
               static_cast<png_uint_32>(format.height), format.bits, format.colour_type,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  if (format.bits > 8 && std::endian::native == std::endian::little) png_set_swap(writer.png);
  for (int64_t y = 0; y < format.height; ++y)
    png_write_row(writer.png, rows + static_cast<size_t>(y) * stride);
  png_write_end(writer.png, writer.info);
  return true;
}

std::vector<std::byte> encode(const Format& format, const png_byte* rows, size_t stride) {
  ISTHMUS_CHECK(format.width > 0 && format.height > 0 && format.width < 1 << 20 &&
                    format.height < 1 << 20,
                "a picture of no size");
  Writer writer;
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, on_error, nullptr);
  if (writer.png != nullptr) writer.info = png_create_info_struct(writer.png);
  ISTHMUS_CHECK(writer.info != nullptr && write(writer, format, rows, stride), "libpng");
  return std::move(writer.file);
}

}  // namespace

std::vector<std::byte> encode_png(const Image& image) {
  const int64_t channels = image.channels;
  ISTHMUS_CHECK(channels == 1 || channels == 3 || channels == 4, "channels of a picture");
  const auto stride = static_cast<size_t>(image.width * channels);
  ISTHMUS_CHECK(image.pixels.size() == stride * static_cast<size_t>(image.height),
                "pixels of a picture");
  const int type = channels == 1   ? PNG_COLOR_TYPE_GRAY
                   : channels == 3 ? PNG_COLOR_TYPE_RGB
                                   : PNG_COLOR_TYPE_RGB_ALPHA;
  return encode({image.width, image.height, 8, type}, image.pixels.data(), stride);
}

std::vector<std::byte> encode_png(int64_t width, int64_t height,
                                  std::span<const uint16_t> samples) {
  ISTHMUS_CHECK(samples.size() == static_cast<size_t>(width * height), "samples of a picture");
  return encode({width, height, 16, PNG_COLOR_TYPE_GRAY},
                reinterpret_cast<const png_byte*>(samples.data()),
                static_cast<size_t>(width) * sizeof(uint16_t));
}

}  // namespace isthmus::media
