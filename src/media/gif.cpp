// GIF, first frame. Own reader, because the cases that matter are those where Pillow and giflib
// differ: frames beyond the screen, a missing or grey colour table, an end code before the last
// pixel.
#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "media/decoders.h"

namespace isthmus::media {
namespace {

constexpr int kMaxCodeBits = 12;
constexpr size_t kTableSize = size_t{1} << kMaxCodeBits;

// Bits from the chain of data sub-blocks, least significant first.
class CodeReader {
 public:
  CodeReader(const EncodedImage& file, ByteCursor& cursor) : file_(file), cursor_(cursor) {}

  uint32_t next(int bits) {
    while (available_ < bits) {
      if (block_left_ == 0) {
        block_left_ = cursor_.u8();
        if (block_left_ == 0)
          file_.fail("broken GIF file: the data of the first frame end before its last pixel");
      }
      buffer_ |= uint32_t{cursor_.u8()} << available_;
      available_ += 8;
      --block_left_;
    }
    const uint32_t code = buffer_ & ((1u << bits) - 1);
    buffer_ >>= bits;
    available_ -= bits;
    return code;
  }

 private:
  const EncodedImage& file_;
  ByteCursor& cursor_;
  uint32_t buffer_ = 0;
  int available_ = 0;
  int block_left_ = 0;
};

// `count` indices in stored order. The table holds strings as links: data[c] follows the string
// link[c].
std::vector<uint8_t> decode_lzw(const EncodedImage& file, ByteCursor& cursor, size_t count) {
  const int min_bits = cursor.u8();
  if (min_bits < 1 || min_bits > 11)
    file.fail(fmt::format("broken GIF file: code size {}, expected 1 to 11", min_bits));
  const uint32_t clear = 1u << min_bits, end = clear + 1;
  std::array<uint8_t, kTableSize> data;
  std::array<uint16_t, kTableSize> link;
  std::array<uint8_t, kTableSize> string;

  CodeReader codes(file, cursor);
  std::vector<uint8_t> indices;
  indices.reserve(count);
  int bits = min_bits + 1;
  uint32_t next = clear + 2, last_code = 0;
  uint8_t last_first = 0;
  bool fresh = true;  // directly after a clear code
  while (indices.size() < count) {
    uint32_t code = codes.next(bits);
    if (code == clear) {
      bits = min_bits + 1;
      next = clear + 2;
      fresh = true;
      continue;
    }
    if (code == end) file.fail("broken GIF file: the end code comes before the last pixel");
    if (fresh ? code > clear : code > next)
      file.fail(fmt::format("broken GIF file: code {} is not defined yet", code));
    const uint32_t this_code = code;
    size_t first = kTableSize;     // the string is built from its end
    if (!fresh && code == next) {  // the string being defined: the last one and its own first index
      string[--first] = last_first;
      code = last_code;
    }
    while (code >= clear) {
      if (first == 0 || code >= kTableSize)
        file.fail("broken GIF file: its code table is inconsistent");
      string[--first] = data[code];
      code = link[code];
    }
    if (first == 0) file.fail("broken GIF file: its code table is inconsistent");
    string[--first] = last_first = static_cast<uint8_t>(code);
    if (!fresh && next < kTableSize) {
      data[next] = last_first;
      link[next] = static_cast<uint16_t>(last_code);
      if (next == (1u << bits) - 1 && bits < kMaxCodeBits) ++bits;
      ++next;
    }
    last_code = this_code;
    fresh = false;
    const size_t length = std::min(kTableSize - first, count - indices.size());
    indices.insert(indices.end(), string.begin() + static_cast<std::ptrdiff_t>(first),
                   string.begin() + static_cast<std::ptrdiff_t>(first + length));
  }
  return indices;
}

// nullopt for a table whose colours are the grey levels 0, 1, 2 …: Pillow sets such a table aside
// and takes the indices for grey levels, also those beyond the table.
std::optional<Palette> read_table(ByteCursor& cursor, uint8_t flags) {
  Palette palette;
  const size_t count = size_t{2} << (flags & 7);
  const uint8_t* p = cursor.take(3 * count);
  bool is_grey = true;
  for (size_t i = 0; i < count; ++i, p += 3) {
    palette.colours[i] = {p[0], p[1], p[2]};
    is_grey = is_grey && p[0] == i && p[1] == i && p[2] == i;
  }
  return is_grey ? std::nullopt : std::optional(palette);
}

void skip_blocks(ByteCursor& cursor) {
  while (const uint8_t size = cursor.u8()) cursor.take(size);
}

// The row in which each stored row of a frame belongs.
std::vector<int64_t> row_order(int64_t height, bool interlaced) {
  std::vector<int64_t> order;
  const auto pass = [&](int64_t first, int64_t step) {
    for (int64_t y = first; y < height; y += step) order.push_back(y);
  };
  if (!interlaced) {
    pass(0, 1);
  } else {
    pass(0, 8);
    pass(4, 8);
    pass(2, 4);
    pass(1, 2);
  }
  return order;
}

}  // namespace

NativeImage decode_gif(const EncodedImage& file) {
  ByteCursor cursor(file, "GIF");
  cursor.seek(6);
  int64_t width = cursor.u16(), height = cursor.u16();
  const uint8_t screen_flags = cursor.u8();
  cursor.take(2);  // background index, pixel aspect
  std::optional<Palette> screen_table, frame_table;
  if (screen_flags & 0x80) screen_table = read_table(cursor, screen_flags);

  std::optional<uint8_t> transparent;
  for (;;) {
    const uint8_t kind = cursor.u8();
    if (kind == ',') break;
    if (kind == ';') file.fail("GIF file has no picture");
    if (kind != '!') continue;  // Pillow skips stray bytes
    constexpr uint8_t kGraphicControl = 0xf9;
    if (cursor.u8() == kGraphicControl) {
      const uint8_t size = cursor.u8();
      const uint8_t* block = cursor.take(size);
      if (size >= 4 && (block[0] & 1)) transparent = block[3];
      if (size == 0) continue;
    }
    skip_blocks(cursor);
  }

  const int64_t left = cursor.u16(), top = cursor.u16();
  const int64_t frame_width = cursor.u16(), frame_height = cursor.u16();
  const uint8_t frame_flags = cursor.u8();
  if (frame_flags & 0x80) frame_table = read_table(cursor, frame_flags);
  // Quirk: a frame's own table of grey levels loses against a coloured one of the screen
  // (Pillow 10.4, GifImagePlugin); a correct reader would show the frame in grey.
  const auto& table = frame_table ? frame_table : screen_table;
  if (frame_width == 0 || frame_height == 0)
    file.fail(
        fmt::format("first frame of the GIF file is {}x{} pixels", frame_width, frame_height));
  width = std::max(width, left + frame_width);
  height = std::max(height, top + frame_height);
  file.check_size(width, height);

  const auto frame = decode_lzw(file, cursor, static_cast<size_t>(frame_width * frame_height));
  NativeImage image = blank_image(table ? PixelMode::kPalette : PixelMode::kGrey, width, height);
  if (table) image.palette = *table;
  std::vector<uint8_t>& canvas = image.samples.pixels;
  std::fill(canvas.begin(), canvas.end(), transparent.value_or(0));
  const uint8_t* row = frame.data();
  for (const int64_t y : row_order(frame_height, (frame_flags & 0x40) != 0)) {
    std::copy(row, row + frame_width, canvas.begin() + ((top + y) * width + left));
    row += frame_width;
  }
  return image;
}

}  // namespace isthmus::media
