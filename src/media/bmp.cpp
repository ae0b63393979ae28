// Windows and OS/2 bitmaps: 1, 4, 8 bits with a colour table (run-length coded or not), 16, 24 and
// 32 bits.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/decoders.h"

namespace isthmus::media {
namespace {

constexpr uint32_t kUncompressed = 0, kRle8 = 1, kRle4 = 2, kMasks = 3;

struct Header {
  int64_t width, height;
  bool top_down;
  int bits;
  uint32_t compression;
  int64_t colours;
  std::array<uint32_t, 4> masks;  // red, green, blue, alpha
  size_t pixels_at;
  PixelMode mode;
  Palette palette;
};

[[noreturn]] void unsupported(const EncodedImage& file, const std::string& what) {
  throw UnsupportedError(fmt::format("{}: BMP file with {} is not read", file.source, what));
}

// A table of black and white makes a bilevel picture, one of the grey levels 0, 1, 2 … a grey one,
// as in Pillow. Pillow 10.4 then reads the pixels at one or eight bits whatever the header says,
// which loses 8-bit files of two colours; here the header counts.
void read_colour_table(ByteCursor& cursor, Header& header, size_t entry_bytes) {
  const auto count = static_cast<size_t>(header.colours);
  const uint8_t* p = cursor.take(count * entry_bytes);
  bool is_grey = true;
  for (size_t i = 0; i < count; ++i, p += entry_bytes) {
    const auto level = static_cast<uint8_t>(count == 2 ? 255 * i : i);
    is_grey = is_grey && Rgb{p[2], p[1], p[0]} == Rgb{level, level, level};
    if (i < 256) header.palette.colours[i] = {p[2], p[1], p[0]};
  }
  header.mode = !is_grey     ? PixelMode::kPalette
                : count == 2 ? PixelMode::kBilevel
                             : PixelMode::kGrey;
}

Header read_header(const EncodedImage& file, ByteCursor& cursor) {
  Header header{};
  cursor.seek(10);
  header.pixels_at = cursor.u32();
  const uint32_t header_size = cursor.u32();
  const bool core = header_size == 12;  // OS/2 1.x
  constexpr uint32_t kSizes[] = {12, 40, 52, 56, 64, 108, 124};
  if (std::find(std::begin(kSizes), std::end(kSizes), header_size) == std::end(kSizes))
    file.fail(fmt::format("broken BMP file: its header has {} bytes", header_size));
  if (core) {
    header.width = cursor.u16();
    header.height = cursor.u16();
    cursor.take(2);  // planes
    header.bits = cursor.u16();
  } else {
    header.width = cursor.u32();
    const uint32_t height = cursor.u32();
    header.top_down = height >= 0xff000000u;  // negative
    header.height = header.top_down ? (int64_t{1} << 32) - height : height;
    cursor.take(2);  // planes
    header.bits = cursor.u16();
    header.compression = cursor.u32();
    cursor.take(12);  // data size, resolution
    header.colours = cursor.u32();
    cursor.take(4);  // important colours
    // In headers of 52 bytes and more the masks are part of the header; after one of 40 they follow
    // it.
    if (header.compression == kMasks)
      for (size_t c = 0; c < (header_size >= 56 ? 4 : 3); ++c) header.masks[c] = cursor.u32();
    if (header_size > 40) cursor.seek(14 + size_t{header_size});
  }
  file.check_size(header.width, header.height);
  constexpr int kBits[] = {1, 4, 8, 16, 24, 32};
  if (std::find(std::begin(kBits), std::end(kBits), header.bits) == std::end(kBits))
    unsupported(file, fmt::format("{} bits per pixel", header.bits));
  const bool indexed = header.bits <= 8;
  const bool known = header.compression == kUncompressed ||
                     (header.compression == kRle8 && header.bits == 8) ||
                     (header.compression == kRle4 && header.bits == 4) ||
                     (header.compression == kMasks && !indexed);
  if (!known)
    unsupported(file, fmt::format("compression {} at {} bits", header.compression, header.bits));
  if (indexed) {
    if (header.colours == 0) header.colours = int64_t{1} << header.bits;
    if (header.colours > 65536)
      file.fail(fmt::format("broken BMP file: {} colours", header.colours));
    // Some writers forget the colour table when they compute where the pixels start; so Pillow.
    if (header.pixels_at == 14 + header_size)
      header.pixels_at += 4 * static_cast<size_t>(header.colours);
    read_colour_table(cursor, header, core ? 3 : 4);
  }
  if (header.pixels_at == 0) header.pixels_at = cursor.position();
  return header;
}

// Runs of indices, rows in stored order. Pixels that are skipped are index 0. This follows the
// format where Pillow 10.4 does not: it takes the bytes after a move for the distance, and loses
// the last nibble of odd runs.
std::vector<uint8_t> decode_runs(const EncodedImage& file, ByteCursor& cursor,
                                 const Header& header) {
  const bool nibbles = header.compression == kRle4;
  const auto width = static_cast<size_t>(header.width);
  const size_t total = width * static_cast<size_t>(header.height);
  std::vector<uint8_t> indices;
  indices.reserve(total);
  const auto append = [&](size_t count, uint8_t value) {
    indices.insert(indices.end(), std::min(count, total - indices.size()), value);
  };
  size_t x = 0;
  while (indices.size() < total) {
    const size_t run = cursor.u8();
    const uint8_t value = cursor.u8();
    if (run > 0) {
      const size_t count = std::min(run, width > x ? width - x : 0);
      for (size_t i = 0; i < count; ++i)
        append(1, nibbles ? (i % 2 == 0 ? value >> 4 : value & 15) : value);
      x += count;
    } else if (value == 0) {  // end of the row
      append((width - indices.size() % width) % width, 0);
      x = 0;
    } else if (value == 1) {  // end of the picture
      break;
    } else if (value == 2) {  // move right and up
      const size_t right = cursor.u8(), up = cursor.u8();
      append(right + up * width, 0);
      x = indices.size() % width;
    } else {  // that many indices as they are, padded to 16 bits
      const uint8_t* p = cursor.take(nibbles ? (value + 1u) / 2 : value);
      for (size_t i = 0; i < value; ++i)
        append(1, !nibbles ? p[i] : i % 2 == 0 ? p[i / 2] >> 4 : p[i / 2] & 15);
      x += value;
      if (cursor.position() % 2 != 0) cursor.take(1);
    }
  }
  if (indices.size() < total) file.fail("broken BMP file: its runs end before the last pixel");
  return indices;
}

// Where a colour lies in a pixel of 16 or 32 bits.
struct Field {
  int shift;
  uint32_t top;  // its greatest value: 31, 63 or 255
  uint8_t of(uint32_t pixel) const {
    return static_cast<uint8_t>((pixel >> shift & top) * 255 / top);
  }
};

// Red, green, blue; alpha only where all eight bits of a pixel of 32 are given to it.
std::vector<Field> fields_of(const EncodedImage& file, const Header& header) {
  if (header.compression != kMasks || header.masks == std::array<uint32_t, 4>{}) {
    if (header.bits == 16) return {{10, 31}, {5, 31}, {0, 31}};
    std::vector<Field> fields{{16, 255}, {8, 255}, {0, 255}};
    // Pillow: masks that are all zero stand for blue, green, red, alpha.
    if (header.compression == kMasks && header.bits == 32) fields.push_back({24, 255});
    return fields;
  }
  std::vector<Field> fields(3);
  for (size_t c = 0; c < 3; ++c) {
    const uint32_t mask = header.masks[c];
    const int shift = mask == 0 ? 0 : __builtin_ctz(mask);
    const uint32_t top = mask >> shift;
    const bool known = header.bits == 16 ? top == 31 || top == 63 : top == 255;
    if (!known)
      unsupported(file, fmt::format("colour masks {:08x} {:08x} {:08x}", header.masks[0],
                                    header.masks[1], header.masks[2]));
    fields[c] = {shift, top};
  }
  const uint32_t alpha = header.masks[3];
  if (header.bits == 32 && alpha != 0 && alpha >> __builtin_ctz(alpha) == 255)
    fields.push_back({__builtin_ctz(alpha), 255});
  return fields;
}

}  // namespace

NativeImage decode_bmp(const EncodedImage& file) {
  ByteCursor cursor(file, "BMP");
  const Header header = read_header(file, cursor);
  cursor.seek(header.pixels_at);
  const size_t width = static_cast<size_t>(header.width),
               height = static_cast<size_t>(header.height);
  const bool runs = header.compression == kRle8 || header.compression == kRle4;
  const size_t row_bytes = (width * static_cast<size_t>(header.bits) + 31) / 32 * 4;
  // The padding after the last row may be missing.
  const size_t last_row_bytes = (width * static_cast<size_t>(header.bits) + 7) / 8;
  if (!runs && cursor.remaining() < row_bytes * (height - 1) + last_row_bytes)
    file.fail_truncated("BMP");
  const uint8_t* stored = file.data() + header.pixels_at;
  const auto target_row = [&](size_t y) { return header.top_down ? y : height - 1 - y; };

  if (header.bits <= 8) {
    std::vector<uint8_t> unpacked;
    if (runs) unpacked = decode_runs(file, cursor, header);
    NativeImage image = blank_image(header.mode, header.width, header.height);
    image.palette = header.palette;
    const size_t per_byte = 8 / static_cast<size_t>(header.bits);
    const unsigned mask = (1u << header.bits) - 1;
    for (size_t y = 0; y < height; ++y) {
      uint8_t* out = image.samples.row(static_cast<int64_t>(target_row(y)));
      if (runs) {
        std::memcpy(out, unpacked.data() + y * width, width);
        continue;
      }
      const uint8_t* row = stored + y * row_bytes;
      for (size_t x = 0; x < width; ++x) {
        const auto shift = static_cast<unsigned>(header.bits) * (per_byte - 1 - x % per_byte);
        out[x] = static_cast<uint8_t>(row[x / per_byte] >> shift & mask);
      }
    }
    if (header.mode == PixelMode::kBilevel)
      for (uint8_t& sample : image.samples.pixels) sample = sample == 1 ? 255 : 0;
    return image;
  }

  const auto fields = fields_of(file, header);
  const size_t pixel_bytes = static_cast<size_t>(header.bits) / 8;
  NativeImage image = blank_image(fields.size() == 4 ? PixelMode::kRgba : PixelMode::kRgb,
                                  header.width, header.height);
  for (size_t y = 0; y < height; ++y) {
    const uint8_t* row = stored + y * row_bytes;
    uint8_t* out = image.samples.row(static_cast<int64_t>(target_row(y)));
    for (size_t x = 0; x < width; ++x, row += pixel_bytes) {
      uint32_t pixel = 0;
      for (size_t b = 0; b < pixel_bytes; ++b) pixel |= uint32_t{row[b]} << (8 * b);
      for (const Field& field : fields) *out++ = field.of(pixel);
    }
  }
  return image;
}

}  // namespace isthmus::media
