// Polygon files (PLY 1.0): a header of elements with named properties, then their values. Only the
// vertices are taken.
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/point_readers.h"

namespace isthmus::media {
namespace {

enum class Encoding { kAscii, kLittleEndian, kBigEndian };

struct Property {
  std::string_view name;
  NumberType type = NumberType::kF32;
  bool is_list = false;
  NumberType length_type = NumberType::kU8;  // of a list
};

struct Element {
  std::string_view name;
  int64_t count = 0;
  std::vector<Property> properties;
};

struct Header {
  Encoding encoding = Encoding::kAscii;
  std::vector<Element> elements;
  size_t size = 0;
};

std::optional<NumberType> type_named(std::string_view name) {
  constexpr std::pair<std::string_view, NumberType> kTypes[] = {
      {"char", NumberType::kI8},    {"int8", NumberType::kI8},     {"uchar", NumberType::kU8},
      {"uint8", NumberType::kU8},   {"short", NumberType::kI16},   {"int16", NumberType::kI16},
      {"ushort", NumberType::kU16}, {"uint16", NumberType::kU16},  {"int", NumberType::kI32},
      {"int32", NumberType::kI32},  {"uint", NumberType::kU32},    {"uint32", NumberType::kU32},
      {"float", NumberType::kF32},  {"float32", NumberType::kF32}, {"double", NumberType::kF64},
      {"float64", NumberType::kF64}};
  for (const auto& [known, type] : kTypes)
    if (name == known) return type;
  return std::nullopt;
}

class HeaderParser {
 public:
  explicit HeaderParser(const EncodedPoints& file) : file_(file) {}
  Header parse();

 private:
  [[noreturn]] void fail(std::string_view what) const {
    file_.fail(fmt::format("ply header, line {}: {}", line_number_, what));
  }
  NumberType type(std::string_view name) const {
    const std::optional<NumberType> known = type_named(name);
    if (!known) fail(fmt::format("unknown type \"{}\"", name.substr(0, 40)));
    return *known;
  }
  void format(WordReader& words, Header& header) const;
  void property(WordReader& words, Header& header) const;

  const EncodedPoints& file_;
  int line_number_ = 0;
};

void HeaderParser::format(WordReader& words, Header& header) const {
  const std::string_view name = words.next();
  if (name == "ascii")
    header.encoding = Encoding::kAscii;
  else if (name == "binary_little_endian")
    header.encoding = Encoding::kLittleEndian;
  else if (name == "binary_big_endian")
    header.encoding = Encoding::kBigEndian;
  else
    fail(fmt::format("format \"{}\", expected ascii, binary_little_endian or binary_big_endian",
                     name.substr(0, 40)));
}

void HeaderParser::property(WordReader& words, Header& header) const {
  if (header.elements.empty()) fail("a property before the first element");
  Property property;
  std::string_view name = words.next();
  if (name == "list") {
    property.is_list = true;
    property.length_type = type(words.next());
    name = words.next();
  }
  property.type = type(name);
  property.name = words.next();
  header.elements.back().properties.push_back(property);
}

Header HeaderParser::parse() {
  constexpr size_t kMaxHeader = size_t{1} << 20;
  const std::string_view text = file_.text().substr(0, kMaxHeader);
  Header header;
  bool has_format = false;
  for (size_t at = 0;;) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) file_.fail("ply header without end_header");
    ++line_number_;
    WordReader words(text.substr(at, end - at));
    at = end + 1;
    const std::string_view keyword = words.next();
    if (keyword == "format") {
      format(words, header);
      has_format = true;
    } else if (keyword == "element") {
      Element element;
      element.name = words.next();
      const std::string_view count = words.next();
      const std::optional<int64_t> number = parse_count(count);
      if (!number) fail(fmt::format("\"{}\" is no number of elements", count.substr(0, 40)));
      element.count = *number;
      header.elements.push_back(element);
    } else if (keyword == "property") {
      property(words, header);
    } else if (keyword == "end_header") {
      if (!has_format) fail("no format line");
      header.size = at;
      return header;
    }
  }
}

// Where a vertex has its position and colour; -1: nowhere.
struct Columns {
  std::array<int, 3> position{-1, -1, -1}, colour{-1, -1, -1};
  std::array<double, 3> colour_scale{1, 1, 1};
  bool has_colours() const { return colour[0] >= 0 && colour[1] >= 0 && colour[2] >= 0; }
};

Columns columns_of(const Element& vertex, const EncodedPoints& file) {
  constexpr std::array<std::string_view, 3> kAxes = {"x", "y", "z"};
  constexpr std::array<std::string_view, 3> kColours = {"red", "green", "blue"};
  Columns columns;
  for (size_t p = 0; p < vertex.properties.size(); ++p) {
    const Property& property = vertex.properties[p];
    if (property.is_list) continue;
    std::string_view name = property.name;
    if (name.starts_with("diffuse_")) name.remove_prefix(std::string_view("diffuse_").size());
    for (size_t i = 0; i < 3; ++i) {
      if (name == kAxes[i]) columns.position[i] = static_cast<int>(p);
      if (name == kColours[i] || name == kColours[i].substr(0, 1)) {
        columns.colour[i] = static_cast<int>(p);
        columns.colour_scale[i] = colour_scale(property.type);
      }
    }
  }
  for (size_t i = 0; i < 3; ++i)
    if (columns.position[i] < 0)
      file.fail(fmt::format("its vertices have no property {}; expected x, y and z", kAxes[i]));
  return columns;
}

// Reads the values of one element after the other into `row`.
class RowReader {
 public:
  RowReader(const EncodedPoints& file, const Header& header)
      : file_(file),
        encoding_(header.encoding),
        next_(header.size),
        words_(file.text().substr(header.size)) {}

  void read(const Element& element, std::vector<double>& row) {
    for (size_t p = 0; p < element.properties.size(); ++p) {
      const Property& property = element.properties[p];
      if (property.is_list)
        skip_list(property);
      else
        row[p] = number(property.type);
    }
  }

  // The bytes of each element, if all are of the same size; else 0.
  size_t stride(const Element& element) const {
    if (encoding_ == Encoding::kAscii) return 0;
    size_t bytes = 0;
    for (const Property& property : element.properties) {
      if (property.is_list) return 0;
      bytes += size_of(property.type);
    }
    return bytes;
  }
  void skip_bytes(size_t count) {
    if (count > file_.bytes.size() - next_) end();
    next_ += count;
  }
  size_t position() const { return next_; }

 private:
  [[noreturn]] void end() const {
    file_.fail("ply file is truncated: it ends before the last vertex");
  }
  double number(NumberType type) {
    if (encoding_ == Encoding::kAscii) {
      const std::string_view word = words_.next();
      if (word.empty()) end();
      const std::optional<double> value = parse_number(word);
      if (!value) file_.fail(fmt::format("\"{}\" is no number", word.substr(0, 40)));
      return *value;
    }
    const size_t at = next_;
    skip_bytes(size_of(type));
    return read_number(file_.bytes.data() + at, type, encoding_ == Encoding::kBigEndian);
  }
  void skip_list(const Property& property) {
    const double length = number(property.length_type);
    // Also false for NaN; no file is longer than 2^53 bytes.
    if (!(length >= 0 && length < 9e15 && length == std::floor(length)))
      file_.fail(fmt::format("a list of {} elements", length));
    if (encoding_ != Encoding::kAscii)
      skip_bytes(static_cast<size_t>(length) * size_of(property.type));
    else
      for (double i = 0; i < length; ++i) number(property.type);
  }

  const EncodedPoints& file_;
  Encoding encoding_;
  size_t next_;
  WordReader words_;
};

}  // namespace

PointCloud read_ply(const EncodedPoints& file) {
  const Header header = HeaderParser(file).parse();
  RowReader reader(file, header);
  for (const Element& element : header.elements) {
    std::vector<double> row(element.properties.size());
    const size_t stride = reader.stride(element);
    if (stride > 0)
      file.check_records(element.count, static_cast<int64_t>(stride), reader.position());
    if (element.name != "vertex") {
      if (element.properties.empty()) continue;
      for (int64_t i = 0; i < element.count; ++i) reader.read(element, row);
      continue;
    }
    const Columns columns = columns_of(element, file);
    // Every value of an ascii file takes a digit and a separator, every list at least a byte.
    if (stride == 0)
      file.check_records(element.count, static_cast<int64_t>(element.properties.size()),
                         reader.position());
    PointCollector collector(file, element.count, columns.has_colours());
    for (int64_t i = 0; i < element.count; ++i) {
      const bool wanted = collector.wants_next();
      if (!wanted && stride > 0) {
        reader.skip_bytes(stride);
        continue;
      }
      reader.read(element, row);
      if (!wanted) continue;
      const auto value = [&row](int column) {
        return column < 0 ? 0.0 : row[static_cast<size_t>(column)];
      };
      std::array<double, 3> position{}, colour{};
      for (size_t c = 0; c < 3; ++c) {
        position[c] = value(columns.position[c]);
        colour[c] = value(columns.colour[c]) / columns.colour_scale[c];
      }
      collector.add(position, colour);
    }
    return collector.finish();
  }
  file.fail("ply file without vertices");
}

}  // namespace isthmus::media
