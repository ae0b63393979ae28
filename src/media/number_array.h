// Arrays of numbers from .npy files that users bring: points, signals, volumes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/shape.h"
#include "formats/raw_tensor.h"

namespace isthmus::media {

// A user's file, mapped. Throws InputError if it cannot be read.
std::shared_ptr<const MappedFile> map_file(const std::filesystem::path& path);

// Any element type of NumPy's that is a number, in either order of axes. Values are read where
// they lie, so a large file costs no memory.
class NumberArray {
 public:
  // Throws InputError if the file cannot be read, is no .npy file or is broken; UnsupportedError
  // for big-endian, complex, object and structured arrays.
  explicit NumberArray(const std::filesystem::path& file);
  // Of bytes that outlive the array; `source` stands where the file name would in messages.
  NumberArray(std::span<const std::byte> bytes, const std::string& source);

  const Shape& shape() const { return tensor_.shape; }
  DType dtype() const { return tensor_.dtype; }
  const std::string& source() const { return tensor_.file; }
  // Of an array with one or two axes, inside its shape.
  double at(int64_t row, int64_t column = 0) const;
  // All of them in row-major order, copied; of any shape.
  std::vector<float> values() const;

 private:
  formats::RawTensor tensor_;
};

}  // namespace isthmus::media
