// A tensor as a file holds it: a typed, strided view into mapped bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/dtype.h"
#include "base/shape.h"

namespace isthmus::formats {

struct RawTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  Shape strides;                       // in elements; never negative
  std::span<const std::byte> bytes;    // from the first element to the end of the last; may be unaligned
  std::shared_ptr<const void> owner;   // keeps the mapping alive
  std::string file;                    // for messages

  bool is_contiguous() const;
  int64_t element_count() const;       // checked when the file was read
};

}  // namespace isthmus::formats
