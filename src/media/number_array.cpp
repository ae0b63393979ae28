#include "media/number_array.h"

#include <cstring>

#include "base/check.h"
#include "formats/npy.h"
#include "isthmus/error.h"

namespace isthmus::media {
namespace {

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

double number(const std::byte* from, DType dtype) {
  switch (dtype) {
    case DType::kF64: return load<double>(from);
    case DType::kF32: return load<float>(from);
    case DType::kF16: return half_to_float(load<uint16_t>(from));
    case DType::kBF16: return bfloat16_to_float(load<uint16_t>(from));
    case DType::kI64: return static_cast<double>(load<int64_t>(from));
    case DType::kI32: return load<int32_t>(from);
    case DType::kI16: return load<int16_t>(from);
    case DType::kI8: return load<int8_t>(from);
    case DType::kU16: return load<uint16_t>(from);
    case DType::kU8: return load<uint8_t>(from);
    case DType::kBool: return load<uint8_t>(from) != 0 ? 1 : 0;
    case DType::kQ4:
    case DType::kQ5:
    case DType::kQ6:
    case DType::kQ8: break;  // no npy file holds them
  }
  return 0;
}

// The formats library speaks of model files; here the file is the user's input.
formats::RawTensor parse(std::span<const std::byte> bytes, const std::string& source) {
  try {
    return formats::read_npy(bytes, source);
  } catch (const ModelError& error) {
    throw InputError(error.what());
  }
}

}  // namespace

std::shared_ptr<const MappedFile> map_file(const std::filesystem::path& path) {
  try {
    return MappedFile::open(path);
  } catch (const ModelError& error) {
    throw InputError(error.what());
  }
}

NumberArray::NumberArray(const std::filesystem::path& path) {
  const std::shared_ptr<const MappedFile> file = map_file(path);
  tensor_ = parse(file->bytes(), path.string());
  tensor_.owner = file;
}

NumberArray::NumberArray(std::span<const std::byte> bytes, const std::string& source)
    : tensor_(parse(bytes, source)) {}

double NumberArray::at(int64_t row, int64_t column) const {
  ISTHMUS_CHECK(tensor_.shape.size() == 1 || tensor_.shape.size() == 2, tensor_.file);
  int64_t offset = row * tensor_.strides[0];
  if (tensor_.shape.size() == 2) offset += column * tensor_.strides[1];
  const size_t size = size_of(tensor_.dtype);
  return number(tensor_.bytes.data() + static_cast<size_t>(offset) * size, tensor_.dtype);
}

std::vector<float> NumberArray::values() const {
  const size_t size = size_of(tensor_.dtype);
  std::vector<float> values;
  values.reserve(static_cast<size_t>(tensor_.element_count()));
  formats::for_each_contiguous_piece(tensor_, [&](std::span<const std::byte> piece) {
    for (size_t at = 0; at + size <= piece.size(); at += size)
      values.push_back(static_cast<float>(number(piece.data() + at, tensor_.dtype)));
  });
  return values;
}

}  // namespace isthmus::media
