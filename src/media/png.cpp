// PNG through libpng. Samples are taken as stored and converted here, because Pillow's conversions
// differ from libpng's: no gamma, no compositing, 16-bit grey clipped but 16-bit colour cut to its
// high byte.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <png.h>

#include "media/decoders.h"

namespace isthmus::media {
namespace {

// As for JPEG: errors jump, so the libpng calls stand in guarded(), which owns nothing.
struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t* next = nullptr;
  size_t left = 0;
  bool truncated = false;
  std::jmp_buf escape{};
  char message[256]{};

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& reader = *static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader.message, sizeof reader.message, "%s", message);
  std::longjmp(reader.escape, 1);
}

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader.left) {
    reader.truncated = true;
    png_error(png, "truncated");
  }
  std::memcpy(out, reader.next, count);
  reader.next += count;
  reader.left -= count;
}

template <typename Call>
bool guarded(Reader& reader, const Call& call) {
  if (setjmp(reader.escape) != 0) return false;
  call(reader.png, reader.info);
  return true;
}

// How rows of the file become rows of the picture.
struct Layout {
  int bit_depth, colour_type;
  PixelMode mode;
  std::array<uint8_t, 256> levels;  // of a grey sample of less than 16 bits
};

PixelMode mode_of(int bit_depth, int colour_type) {
  switch (colour_type) {
    case PNG_COLOR_TYPE_GRAY:
      if (bit_depth == 16) return PixelMode::kGrey16;
      return bit_depth == 1 ? PixelMode::kBilevel : PixelMode::kGrey;
    case PNG_COLOR_TYPE_PALETTE: return PixelMode::kPalette;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      // Pillow has no grey with alpha for files of 16 bits: the level is written three times.
      return bit_depth == 16 ? PixelMode::kRgba : PixelMode::kGreyAlpha;
    case PNG_COLOR_TYPE_RGB_ALPHA: return PixelMode::kRgba;
    default: return PixelMode::kRgb;
  }
}

Layout layout_of(const Reader& reader, int bit_depth) {
  Layout layout{};
  layout.bit_depth = bit_depth;
  layout.colour_type = png_get_color_type(reader.png, reader.info);
  layout.mode = mode_of(bit_depth, layout.colour_type);
  const unsigned top = (1u << std::min(bit_depth, 8)) - 1;
  for (unsigned i = 0; i <= top; ++i) layout.levels[i] = static_cast<uint8_t>(i * 255 / top);
  return layout;
}

Palette palette_of(const Reader& reader) {
  Palette palette;
  png_colorp colours = nullptr;
  int count = 0;
  if (png_get_PLTE(reader.png, reader.info, &colours, &count) != 0)
    for (int i = 0; i < std::min(count, 256); ++i)
      palette.colours[static_cast<size_t>(i)] = {colours[i].red, colours[i].green, colours[i].blue};
  return palette;
}

// One row of `width` pixels; of 16-bit samples the high byte is kept, except in 16-bit grey.
void convert_row(const Layout& layout, const uint8_t* row, int64_t width, uint8_t* out) {
  if (layout.mode == PixelMode::kGrey16) {
    for (int64_t x = 0; x < width; ++x, row += 2) {
      *out++ = row[1];
      *out++ = row[0];
    }
  } else if (layout.colour_type == PNG_COLOR_TYPE_GRAY) {
    for (int64_t x = 0; x < width; ++x) out[x] = layout.levels[row[x]];
  } else if (layout.bit_depth != 16) {
    std::memcpy(out, row, static_cast<size_t>(width * channels_of(layout.mode)));
  } else if (layout.colour_type == PNG_COLOR_TYPE_GRAY_ALPHA) {
    for (int64_t x = 0; x < width; ++x, row += 4, out += 4) {
      std::memset(out, row[0], 3);
      out[3] = row[2];
    }
  } else {
    for (int64_t i = 0; i < width * channels_of(layout.mode); ++i) out[i] = row[2 * i];
  }
}

void start(Reader& reader, const EncodedImage& file) {
  reader.next = file.data();
  reader.left = file.bytes.size();
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error,
                                      [](png_structp, png_const_charp) {});
  if (reader.png != nullptr) reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) file.fail("libpng cannot start");
}

}  // namespace

NativeImage decode_png(const EncodedImage& file) {
  Reader reader;
  start(reader, file);
  const auto checked = [&](bool succeeded) {
    if (succeeded) return;
    if (reader.truncated) file.fail_truncated("PNG");
    file.fail(fmt::format("broken PNG file: {}", reader.message));
  };

  // The header is always the first chunk: signature, length, "IHDR", width, height.
  if (file.bytes.size() < 24) file.fail_truncated("PNG");
  const auto big_endian = [&](size_t at) { return int64_t{png_get_uint_32(file.data() + at)}; };
  if (std::memcmp(file.data() + 12, "IHDR", 4) != 0)
    file.fail("broken PNG file: it does not start with IHDR");
  file.check_size(big_endian(16), big_endian(20));

  int passes = 1, bit_depth = 8;
  checked(guarded(reader, [&](png_structp png, png_infop info) {
    // Text, profiles and the like can be large once unpacked, and none of them is used.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_size has decided
    png_set_read_fn(png, &reader, read_bytes);
    png_read_info(png, info);
    bit_depth = png_get_bit_depth(png, info);
    png_set_packing(png);  // one sample per byte, not scaled
    passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
  }));
  const Layout layout = layout_of(reader, bit_depth);
  const int64_t width = png_get_image_width(reader.png, reader.info),
                height = png_get_image_height(reader.png, reader.info);
  const size_t row_bytes = png_get_rowbytes(reader.png, reader.info);
  const auto rows = static_cast<size_t>(height);
  // Deflate shrinks to 1/1032 at best (and packed samples are at most eight to a byte), so a short
  // file that announces a huge picture is refused before memory is taken.
  if (row_bytes * rows / 8 / 1032 > file.bytes.size()) file.fail_truncated("PNG");

  NativeImage image = blank_image(layout.mode, width, height);
  image.palette = palette_of(reader);
  std::vector<uint8_t> raw(passes == 1 ? row_bytes : row_bytes * rows);
  for (int pass = 0; pass < passes; ++pass) {
    for (int64_t y = 0; y < height; ++y) {
      uint8_t* row = raw.data() + (passes == 1 ? 0 : static_cast<size_t>(y) * row_bytes);
      checked(
          guarded(reader, [&](png_structp png, png_infop) { png_read_row(png, row, nullptr); }));
      if (pass == passes - 1) convert_row(layout, row, width, image.samples.row(y));
    }
  }
  return image;
}

}  // namespace isthmus::media
