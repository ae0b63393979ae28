#include "formats/raw_tensor.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/quantised_blocks.h"
#include "formats/bytes.h"

namespace isthmus::formats {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr size_t kMaxDimensions = 64;

void unpack_pieces(const RawTensor& tensor,
                   const std::function<void(std::span<const std::byte>)>& sink) {
  ISTHMUS_CHECK(tensor.is_contiguous(), tensor.name);
  const GgmlBlock block = block_of(*tensor.blocks);
  const int64_t step =
      static_cast<int64_t>(kPieceBytes / sizeof(float)) / block.elements * block.elements;
  std::vector<float> values(static_cast<size_t>(std::min(step, tensor.element_count())));
  for (int64_t first = 0; first < tensor.element_count(); first += step) {
    const int64_t count = std::min(step, tensor.element_count() - first);
    ggml_to_floats(*tensor.blocks,
                   tensor.bytes.data() + static_cast<size_t>(first / block.elements) * block.bytes,
                   count, values.data());
    sink(std::as_bytes(std::span(values).first(static_cast<size_t>(count))));
  }
}

// Bytes of the UTF-8 character at `at`; 0: there is none. Which of them exist is no matter here.
size_t utf8_length(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = lead < 0x80   ? 1
                        : lead < 0xC2 ? 0
                        : lead < 0xE0 ? 2
                        : lead < 0xF0 ? 3
                        : lead < 0xF5 ? 4
                                      : 0;
  if (length > text.size() - at) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  return length;
}

}  // namespace

std::string printable(std::string_view name) {
  constexpr size_t kLongest = 200;
  const std::string_view kept = name.substr(0, kLongest);
  std::string text;
  for (size_t i = 0; i < kept.size();) {
    const size_t length = utf8_length(kept, i);
    const bool shown = length > 1 || (length == 1 && kept[i] >= 0x20 && kept[i] != 0x7f);
    text += shown ? kept.substr(i, length) : "?";
    i += std::max<size_t>(length, 1);
  }
  if (name.size() > kLongest) text += "...";
  return text;
}

int64_t RawTensor::element_count() const {
  const auto count = num_elements(shape);
  ISTHMUS_CHECK(count.has_value(), name);
  return *count;
}

std::optional<size_t> bytes_of(DType dtype, const Shape& shape) {
  const auto count = num_elements(shape);
  if (!count) return std::nullopt;
  if (is_quantised(dtype)) {
    if (shape.empty() || *count == 0) return std::nullopt;  // no matrix
    return quantised_bytes(dtype, shape[0], *count / shape[0]);
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(*count, static_cast<int64_t>(size_of(dtype)), &bytes))
    return std::nullopt;
  return static_cast<size_t>(bytes);
}

size_t RawTensor::contiguous_size() const {
  const auto size = bytes_of(dtype, shape);
  ISTHMUS_CHECK(size.has_value(), name);
  return *size;
}

bool RawTensor::is_contiguous() const {
  if (element_count() == 0) return true;
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;  // its stride is never used
    if (strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

void for_each_contiguous_piece(const RawTensor& tensor,
                               const std::function<void(std::span<const std::byte>)>& sink) {
  if (tensor.element_count() == 0) return;
  if (tensor.blocks) return unpack_pieces(tensor, sink);
  if (tensor.is_contiguous()) {
    sink(tensor.bytes.first(tensor.contiguous_size()));  // a view may show the first rows only
    return;
  }
  const size_t size = size_of(tensor.dtype);
  const size_t dimensions = tensor.shape.size();
  const auto row_length = static_cast<size_t>(tensor.shape.back());
  const auto row_stride = static_cast<size_t>(tensor.strides.back());
  std::vector<std::byte> piece;
  piece.reserve(kPieceBytes + size);
  Shape index(dimensions, 0);
  bool more = true;
  while (more) {
    size_t start = 0;
    for (size_t d = 0; d + 1 < dimensions; ++d)
      start += static_cast<size_t>(index[d] * tensor.strides[d]);
    for (size_t i = 0; i < row_length; ++i) {
      const auto element = tensor.bytes.subspan((start + i * row_stride) * size, size);
      piece.insert(piece.end(), element.begin(), element.end());
      if (piece.size() >= kPieceBytes) {
        sink(piece);
        piece.clear();
      }
    }
    more = false;
    for (size_t d = dimensions - 1; d-- > 0 && !more;) {
      if (++index[d] < tensor.shape[d])
        more = true;
      else
        index[d] = 0;
    }
  }
  if (!piece.empty()) sink(piece);
}

std::vector<std::byte> to_contiguous(const RawTensor& tensor) {
  std::vector<std::byte> bytes;
  bytes.reserve(tensor.contiguous_size());
  for_each_contiguous_piece(tensor, [&](std::span<const std::byte> piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  });
  return bytes;
}

std::vector<float> to_floats(const RawTensor& tensor) {
  ISTHMUS_CHECK(is_floating_point(tensor.dtype), tensor.name);
  const std::vector<std::byte> bytes = to_contiguous(tensor);
  std::vector<float> values(static_cast<size_t>(tensor.element_count()));
  const auto read = [&](auto element, auto as_float) {
    for (size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&element, bytes.data() + i * sizeof element, sizeof element);
      values[i] = as_float(element);
    }
  };
  switch (tensor.dtype) {
    case DType::kF64: read(double{}, [](double x) { return static_cast<float>(x); }); break;
    case DType::kF16: read(uint16_t{}, half_to_float); break;
    case DType::kBF16: read(uint16_t{}, bfloat16_to_float); break;
    default: read(float{}, [](float x) { return x; });
  }
  return values;
}

Shape row_major_strides(const Shape& shape) {
  if (num_elements(shape) == 0) return Shape(shape.size(), 1);
  return contiguous_strides(shape);
}

std::optional<int64_t> extent_within(const Shape& shape, const Shape& strides, int64_t available) {
  if (shape.size() != strides.size() || shape.size() > kMaxDimensions) return std::nullopt;
  const auto count = num_elements(shape);
  if (!count || available < 0) return std::nullopt;
  if (std::any_of(strides.begin(), strides.end(), [](int64_t stride) { return stride < 0; }))
    return std::nullopt;
  if (*count == 0) return 0;
  __extension__ using Wide = __int128;
  Wide last = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    // Each product is below 2^126, and the sum stops growing as soon as it leaves the storage.
    last += static_cast<Wide>(shape[i] - 1) * strides[i];
    if (last >= available) return std::nullopt;
  }
  if (available == 0) return std::nullopt;
  return static_cast<int64_t>(last) + 1;
}

}  // namespace isthmus::formats
