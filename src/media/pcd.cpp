// Files of the Point Cloud Library (PCD 0.5 to 0.7): a header of named fields, then their values as
// text, as records, or field after field and compressed.
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/lzf.h"
#include "media/point_readers.h"

namespace isthmus::media {
namespace {

struct Field {
  std::string_view name;
  int64_t size = 4;
  char type = 'F';
  int64_t count = 1;
  NumberType number = NumberType::kF32;

  int64_t bytes() const { return size * count; }
};

struct Header {
  std::vector<Field> fields;
  int64_t points = -1, width = -1, height = 1;
  std::string_view data;
  size_t size = 0;

  int64_t record() const {
    int64_t bytes = 0;
    for (const Field& field : fields) bytes += field.bytes();
    return bytes;
  }
};

class HeaderParser {
 public:
  explicit HeaderParser(const EncodedPoints& file) : file_(file) {}
  Header parse();

 private:
  std::vector<std::string_view> words_of(std::string_view line) const {
    constexpr size_t kMostFields = 1024;
    std::vector<std::string_view> words;
    WordReader reader(line);
    for (std::string_view word = reader.next(); !word.empty(); word = reader.next())
      words.push_back(word);
    if (words.size() > kMostFields) file_.fail("pcd header: more than 1024 fields");
    return words;
  }
  int64_t number(std::string_view keyword, std::string_view word) const {
    const std::optional<int64_t> value = parse_count(word);
    if (!value)
      file_.fail(fmt::format("pcd header: {} \"{}\" is no number", keyword, word.substr(0, 40)));
    return *value;
  }
  void take(const std::vector<std::string_view>& words, Header& header) const;
  void check(Header& header) const;

  const EncodedPoints& file_;
};

void HeaderParser::take(const std::vector<std::string_view>& words, Header& header) const {
  const std::string_view keyword = words[0];
  if (keyword == "FIELDS" || keyword == "COLUMNS") {
    for (size_t i = 1; i < words.size(); ++i) {
      header.fields.emplace_back();
      header.fields.back().name = words[i];
    }
    return;
  }
  const bool per_field = keyword == "SIZE" || keyword == "TYPE" || keyword == "COUNT";
  if (per_field && words.size() != header.fields.size() + 1)
    file_.fail(fmt::format("pcd header: {} has {} entries for {} fields", keyword, words.size() - 1,
                           header.fields.size()));
  if (words.size() < 2) return;
  if (keyword == "WIDTH") header.width = number(keyword, words[1]);
  if (keyword == "HEIGHT") header.height = number(keyword, words[1]);
  if (keyword == "POINTS") header.points = number(keyword, words[1]);
  if (keyword == "DATA") header.data = words[1];
  if (!per_field) return;
  for (size_t i = 0; i < header.fields.size(); ++i) {
    if (keyword == "SIZE") header.fields[i].size = number(keyword, words[i + 1]);
    if (keyword == "COUNT") header.fields[i].count = number(keyword, words[i + 1]);
    if (keyword == "TYPE") header.fields[i].type = words[i + 1][0];
  }
}

std::optional<NumberType> number_type(char type, int64_t size) {
  const auto pick = [size](NumberType one, NumberType two, NumberType four,
                           NumberType eight) -> std::optional<NumberType> {
    if (size == 1) return one;
    if (size == 2) return two;
    if (size == 4) return four;
    if (size == 8) return eight;
    return std::nullopt;
  };
  using enum NumberType;
  if (type == 'I') return pick(kI8, kI16, kI32, kI64);
  if (type == 'U') return pick(kU8, kU16, kU32, kU64);
  if (type == 'F' && size >= 4) return pick(kF32, kF32, kF32, kF64);
  return std::nullopt;
}

void HeaderParser::check(Header& header) const {
  constexpr int64_t kMostValues = 1 << 16;  // of one field: descriptors have hundreds
  for (Field& field : header.fields) {
    const std::optional<NumberType> type = number_type(field.type, field.size);
    if (!type || field.count > kMostValues)
      file_.fail(fmt::format("pcd header: field {} has type {}, size {}, count {}",
                             field.name.substr(0, 40), field.type, field.size, field.count));
    field.number = *type;
  }
  if (header.points < 0 &&
      (header.width < 0 || __builtin_mul_overflow(header.width, header.height, &header.points)))
    file_.fail("pcd header: neither POINTS nor WIDTH and HEIGHT");
}

Header HeaderParser::parse() {
  constexpr size_t kMaxHeader = size_t{1} << 20;
  const std::string_view text = file_.text().substr(0, kMaxHeader);
  Header header;
  while (header.data.empty()) {
    const size_t end = text.find('\n', header.size);
    if (end == std::string_view::npos) file_.fail("pcd header without DATA");
    const std::vector<std::string_view> words =
        words_of(text.substr(header.size, end - header.size));
    header.size = end + 1;
    if (!words.empty() && !words[0].starts_with('#')) take(words, header);
  }
  check(header);
  return header;
}

// Fields by their place among the fields; -1: none.
struct Columns {
  std::array<int, 3> position{-1, -1, -1};
  std::array<int, 3> colour{-1, -1, -1};
  int packed = -1;  // rgb or rgba
  bool has_colours() const {
    return packed >= 0 || (colour[0] >= 0 && colour[1] >= 0 && colour[2] >= 0);
  }
};

Columns columns_of(const Header& header, const EncodedPoints& file) {
  constexpr std::array<std::string_view, 3> kAxes = {"x", "y", "z"};
  constexpr std::array<std::string_view, 3> kColours = {"r", "g", "b"};
  Columns columns;
  for (size_t f = 0; f < header.fields.size(); ++f) {
    const Field& field = header.fields[f];
    if (field.count < 1) continue;
    for (size_t i = 0; i < 3; ++i) {
      if (field.name == kAxes[i]) columns.position[i] = static_cast<int>(f);
      if (field.name == kColours[i]) columns.colour[i] = static_cast<int>(f);
    }
    if ((field.name == "rgb" || field.name == "rgba") && field.size == 4)
      columns.packed = static_cast<int>(f);
  }
  for (size_t i = 0; i < 3; ++i)
    if (columns.position[i] < 0)
      file.fail(fmt::format("its points have no field {}; expected x, y and z", kAxes[i]));
  return columns;
}

// Four bytes: blue, green, red, and transparency or nothing.
std::array<double, 3> unpack_colour(uint32_t packed) {
  const auto byte = [packed](int at) { return static_cast<double>(packed >> at & 255) / 255; };
  return {byte(16), byte(8), byte(0)};
}

// The bits of a packed colour whose value was written as a number.
uint32_t packed_bits(double value, NumberType type) {
  if (type == NumberType::kF32) return std::bit_cast<uint32_t>(static_cast<float>(value));
  constexpr double kBeyond = 4294967296.0;
  if (!(value > -kBeyond && value < kBeyond)) return 0;
  return static_cast<uint32_t>(static_cast<int64_t>(value));
}

// `first_value(f)` gives the first value of field f of the point at hand.
template <typename FirstValue>
void add_point(PointCollector& collector, const Header& header, const Columns& columns,
               const FirstValue& first_value) {
  std::array<double, 3> position{}, colour{};
  for (size_t c = 0; c < 3; ++c)
    position[c] = first_value(static_cast<size_t>(columns.position[c]));
  if (columns.packed >= 0) {
    const auto field = static_cast<size_t>(columns.packed);
    colour = unpack_colour(packed_bits(first_value(field), header.fields[field].number));
  } else if (columns.has_colours()) {
    for (size_t c = 0; c < 3; ++c) {
      const auto field = static_cast<size_t>(columns.colour[c]);
      colour[c] = first_value(field) / colour_scale(header.fields[field].number);
    }
  }
  collector.add(position, colour);
}

PointCloud read_ascii(const EncodedPoints& file, const Header& header, const Columns& columns) {
  file.check_records(header.points, static_cast<int64_t>(header.fields.size()), header.size);
  PointCollector collector(file, header.points, columns.has_colours());
  WordReader words(file.text().substr(header.size));
  std::vector<double> first(header.fields.size());
  for (int64_t i = 0; i < header.points; ++i) {
    for (size_t f = 0; f < header.fields.size(); ++f)
      for (int64_t c = 0; c < header.fields[f].count; ++c) {
        const std::string_view word = words.next();
        if (word.empty())
          file.fail(
              fmt::format("pcd file is truncated: it ends in point {} of {}", i, header.points));
        const std::optional<double> value = parse_number(word);
        if (!value) file.fail(fmt::format("point {}: \"{}\" is no number", i, word.substr(0, 40)));
        if (c == 0) first[f] = *value;
      }
    if (collector.wants_next())
      add_point(collector, header, columns, [&](size_t f) { return first[f]; });
  }
  return collector.finish();
}

// Point i's first value of field f lies at data + start[f] + i * step[f].
PointCloud read_values(const EncodedPoints& file, const Header& header, const Columns& columns,
                       const std::byte* data, bool field_after_field) {
  std::vector<int64_t> start, step;
  int64_t offset = 0;
  for (const Field& field : header.fields) {
    start.push_back(field_after_field ? offset * header.points : offset);
    step.push_back(field_after_field ? field.bytes() : header.record());
    offset += field.bytes();
  }
  PointCollector collector(file, header.points, columns.has_colours());
  for (int64_t i = 0; i < header.points; ++i) {
    if (!collector.wants_next()) continue;
    add_point(collector, header, columns, [&](size_t f) {
      return read_number(data + start[f] + i * step[f], header.fields[f].number);
    });
  }
  return collector.finish();
}

PointCloud read_compressed(const EncodedPoints& file, const Header& header,
                           const Columns& columns) {
  constexpr size_t kSizes = 8;  // of the block, compressed and not
  if (file.bytes.size() - header.size < kSizes) file.fail("pcd file is truncated after its header");
  const std::byte* sizes = file.bytes.data() + header.size;
  const auto compressed = static_cast<size_t>(read_number(sizes, NumberType::kU32));
  const auto size = static_cast<size_t>(read_number(sizes + 4, NumberType::kU32));
  const auto block = file.bytes.subspan(header.size + kSizes);
  int64_t needed = 0;
  if (__builtin_mul_overflow(header.points, header.record(), &needed) ||
      static_cast<size_t>(needed) != size)
    file.fail(fmt::format("announces {} points of {} bytes, but a block of {} bytes", header.points,
                          header.record(), size));
  if (compressed > block.size())
    file.fail(fmt::format("pcd file is truncated: {} of {} compressed bytes are there",
                          block.size(), compressed));
  const std::vector<std::byte> data = decompress_lzf(block.first(compressed), size);
  if (data.size() != size) file.fail("its compressed block is broken");
  return read_values(file, header, columns, data.data(), true);
}

}  // namespace

PointCloud read_pcd(const EncodedPoints& file) {
  const Header header = HeaderParser(file).parse();
  const Columns columns = columns_of(header, file);
  if (header.data == "ascii") return read_ascii(file, header, columns);
  if (header.data == "binary_compressed") return read_compressed(file, header, columns);
  if (header.data != "binary")
    file.fail(fmt::format("pcd header: DATA \"{}\", expected ascii, binary or binary_compressed",
                          header.data.substr(0, 40)));
  file.check_records(header.points, header.record(), header.size);
  return read_values(file, header, columns, file.bytes.data() + header.size, false);
}

}  // namespace isthmus::media
