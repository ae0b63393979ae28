#include "formats/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/check.h"
#include "formats/bytes.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kMaxHeaderBytes = size_t{1} << 20;
constexpr size_t kMaxDimensions = 64;  // of NumPy 2
constexpr size_t kAlignment = 64;

constexpr std::array<std::pair<std::string_view, DType>, 10> kDTypes{{{"f8", DType::kF64},
                                                                      {"f4", DType::kF32},
                                                                      {"f2", DType::kF16},
                                                                      {"i8", DType::kI64},
                                                                      {"i4", DType::kI32},
                                                                      {"i2", DType::kI16},
                                                                      {"i1", DType::kI8},
                                                                      {"u2", DType::kU16},
                                                                      {"u1", DType::kU8},
                                                                      {"b1", DType::kBool}}};

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

// The header is the text of a Python dict with exactly three keys:
// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : rest_(text), file_(file) {}
  Header parse();

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ModelError(fmt::format("{}: npy header: {}", file_, what));
  }
  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t'))
      rest_.remove_prefix(1);
  }
  bool accept(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token))
      fail(fmt::format("expected {} at \"{}\"", token, printable(rest_.substr(0, 20))));
  }
  std::string quoted();
  Shape shape();

  std::string_view rest_;
  const std::string& file_;
};

std::string HeaderParser::quoted() {
  skip_space();
  if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) fail("expected a quoted string");
  const size_t end = rest_.find(rest_[0], 1);
  if (end == std::string_view::npos) fail("a string without end");
  std::string value(rest_.substr(1, end - 1));
  rest_.remove_prefix(end + 1);
  return value;
}

Shape HeaderParser::shape() {
  Shape shape;
  expect("(");
  while (!accept(")")) {
    skip_space();
    int64_t dimension = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dimension);
    if (error != std::errc() || dimension < 0) fail("shape: expected non-negative integers");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    accept("L");  // Python 2
    shape.push_back(dimension);
    if (shape.size() > kMaxDimensions)
      fail(fmt::format("shape: more than {} dimensions", kMaxDimensions));
    if (!accept(",")) {
      expect(")");
      break;
    }
  }
  return shape;
}

Header HeaderParser::parse() {
  Header header;
  bool has_descr = false, has_order = false, has_shape = false;
  expect("{");
  while (!accept("}")) {
    const std::string key = quoted();
    expect(":");
    if (key == "descr" && !std::exchange(has_descr, true)) {
      if (accept("["))
        throw UnsupportedError(fmt::format("{}: structured arrays are not read", file_));
      header.descr = quoted();
    } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
      header.fortran_order = accept("True");
      if (!header.fortran_order) expect("False");
    } else if (key == "shape" && !std::exchange(has_shape, true)) {
      header.shape = shape();
    } else {
      fail(fmt::format("unknown or repeated key {}", printable(key)));
    }
    if (!accept(",")) {
      expect("}");
      break;
    }
  }
  skip_space();
  if (!rest_.empty()) fail("text after the closing brace");
  if (!has_descr || !has_order || !has_shape)
    fail("expected the keys descr, fortran_order and shape");
  return header;
}

DType dtype_of(const std::string& descr, const std::string& file) {
  if (descr.size() == 3 && (descr[0] == '<' || descr[0] == '|' || descr[0] == '>'))
    for (const auto& [code, dtype] : kDTypes)
      if (descr.substr(1) == code && (descr[0] == '<' || size_of(dtype) == 1)) return dtype;
  throw UnsupportedError(
      fmt::format("{}: element type {} is not supported", file, printable(descr)));
}

Shape column_major_strides(const Shape& shape) {
  Shape reversed(shape.rbegin(), shape.rend());
  Shape strides = row_major_strides(reversed);
  std::reverse(strides.begin(), strides.end());
  return strides;
}

}  // namespace

RawTensor read_npy(std::span<const std::byte> bytes, const std::string& source) {
  if (bytes.size() < 10 || !text_of(bytes).starts_with(kMagic))
    throw ModelError(fmt::format("{}: is not a .npy file", source));
  const auto version = std::to_integer<int>(bytes[6]);
  if (version < 1 || version > 3)
    throw UnsupportedError(fmt::format("{}: npy version {}, expected 1 to 3", source, version));
  const size_t length_size = version == 1 ? 2 : 4;
  if (bytes.size() < 8 + length_size)
    throw ModelError(fmt::format("{}: the header is cut off", source));
  const size_t header_size =
      version == 1 ? read_le<uint16_t>(bytes, 8) : read_le<uint32_t>(bytes, 8);
  const size_t data_start = 8 + length_size + header_size;
  if (header_size > kMaxHeaderBytes || data_start > bytes.size())
    throw ModelError(fmt::format("{}: is {} bytes, its header alone is announced as {} bytes",
                                 source, bytes.size(), header_size));
  Header header =
      HeaderParser(text_of(bytes.subspan(8 + length_size, header_size)), source).parse();

  RawTensor tensor;
  tensor.name = std::filesystem::path(source).stem().string();
  tensor.file = source;
  tensor.dtype = dtype_of(header.descr, source);
  const auto count = num_elements(header.shape);
  int64_t needed = 0;
  if (!count ||
      __builtin_mul_overflow(*count, static_cast<int64_t>(size_of(tensor.dtype)), &needed) ||
      static_cast<uint64_t>(needed) != bytes.size() - data_start)
    throw ModelError(fmt::format("{}: holds {} bytes of data, {} {} needs {}", source,
                                 bytes.size() - data_start, name_of(tensor.dtype),
                                 to_string(header.shape),
                                 needed > 0 ? std::to_string(needed) : "another size"));
  tensor.strides =
      header.fortran_order ? column_major_strides(header.shape) : row_major_strides(header.shape);
  tensor.shape = std::move(header.shape);
  tensor.bytes = bytes.subspan(data_start);
  return tensor;
}

RawTensor read_npy(const std::shared_ptr<const MappedFile>& file) {
  RawTensor tensor = read_npy(file->bytes(), file->path().string());
  tensor.owner = file;
  return tensor;
}

RawTensor read_npy(const std::filesystem::path& path) { return read_npy(MappedFile::open(path)); }

void write_npy(const std::filesystem::path& path, DType dtype, const Shape& shape,
               std::span<const std::byte> bytes) {
  const auto count = num_elements(shape);
  ISTHMUS_CHECK(count && static_cast<size_t>(*count) * size_of(dtype) == bytes.size(),
                path.string());
  const auto known = std::find_if(kDTypes.begin(), kDTypes.end(),
                                  [&](const auto& pair) { return pair.second == dtype; });
  if (known == kDTypes.end())
    throw UnsupportedError(
        fmt::format("{}: NumPy has no element type {}", path.string(), name_of(dtype)));
  std::string dimensions;
  for (const int64_t dimension : shape) dimensions += fmt::format("{}, ", dimension);
  // (3,) but (3, 4), as Python prints tuples.
  if (shape.size() == 1) dimensions.pop_back();
  if (shape.size() > 1) dimensions.resize(dimensions.size() - 2);
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                   size_of(dtype) == 1 ? '|' : '<', known->first, dimensions);
  header.append(kAlignment - (10 + header.size() + 1) % kAlignment, ' ');
  header += '\n';

  std::string preamble(kMagic);
  preamble += std::string_view("\x01\x00", 2);
  append_le(preamble, static_cast<uint16_t>(header.size()));
  AtomicFile file(path);
  file.write(preamble);
  file.write(header);
  file.write(bytes);
  file.commit();
}

}  // namespace isthmus::formats
