// A tensor as a file holds it: a typed, strided view into mapped bytes. Quantised ones are blocks
// (base/quantised_blocks.h) of a matrix [shape[0], the rest], never a strided view of them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"
#include "formats/ggml_type.h"

namespace isthmus::formats {

struct RawTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  Shape strides;  // in elements; never negative
  std::span<const std::byte>
      bytes;  // from the first element to the end of the last; may be unaligned
  std::shared_ptr<const void> owner;  // keeps the mapping alive
  std::string file;                   // for messages
  // Elements in llama.cpp's blocks, row-major: `dtype` is what they unpack to, float32, and so is
  // everything that is read through the functions below.
  std::optional<GgmlType> blocks = {};

  bool is_contiguous() const;
  int64_t element_count() const;   // checked when the file was read
  size_t contiguous_size() const;  // bytes of all elements in row-major order
};

// Calls `sink` with the elements in row-major order, in pieces: one piece for a contiguous tensor,
// otherwise pieces of about a megabyte that are valid only during the call.
void for_each_contiguous_piece(const RawTensor& tensor,
                               const std::function<void(std::span<const std::byte>)>& sink);
std::vector<std::byte> to_contiguous(const RawTensor& tensor);
// The same as numbers, of floating-point types only.
std::vector<float> to_floats(const RawTensor& tensor);

// Bytes of all elements in row-major order; nullopt where that is larger than any file.
std::optional<size_t> bytes_of(DType dtype, const Shape& shape);

// As contiguous_strides, but also for shapes that are empty because one of several huge dimensions
// is 0.
Shape row_major_strides(const Shape& shape);

// Where a strided view ends, counted in elements from its first one: 0 for an empty view. nullopt
// if a dimension or stride is negative, there are more than 64 dimensions, or the view does not fit
// into `available` elements.
std::optional<int64_t> extent_within(const Shape& shape, const Shape& strides, int64_t available);

}  // namespace isthmus::formats
