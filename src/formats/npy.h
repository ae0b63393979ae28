// NumPy's .npy files, versions 1 to 3.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/mapped_file.h"
#include "formats/raw_tensor.h"

namespace isthmus::formats {

// A view into the mapping, named after the file without its extension; Fortran order becomes
// strides. Throws ModelError (broken header, size that does not match) or UnsupportedError
// (big-endian, object or structured arrays), naming the file, found and expected.
RawTensor read_npy(const std::shared_ptr<const MappedFile>& file);
RawTensor read_npy(const std::filesystem::path& path);
// Of bytes that outlive the tensor; `source` stands where the file name would in messages.
RawTensor read_npy(std::span<const std::byte> bytes, const std::string& source);

// `bytes` in row-major order. Throws UnsupportedError for bfloat16, which NumPy does not have.
void write_npy(const std::filesystem::path& path, DType dtype, const Shape& shape,
               std::span<const std::byte> bytes);

}  // namespace isthmus::formats
