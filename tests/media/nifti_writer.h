// Writes NIfTI files for tests.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <zlib.h>

namespace isthmus::testing_support {

struct NiftiOptions {
  bool big_endian = false;
  bool second = false;  // NIfTI 2
  double slope = 0, intercept = 0;
};

// `size`: x, y, z and, if there are four, volumes. `code`: NIfTI's number of T.
template <typename T>
std::vector<char> nifti_of(const std::vector<int64_t>& size, int16_t code,
                           const std::vector<T>& voxels, const NiftiOptions& options = {}) {
  const size_t offset = options.second ? 544 : 352;
  std::vector<char> file(offset);
  const auto put = [&](size_t at, auto value) {
    std::array<char, sizeof value> bytes;
    std::memcpy(bytes.data(), &value, sizeof value);
    if (options.big_endian) std::reverse(bytes.begin(), bytes.end());
    if (at + sizeof value > file.size()) file.resize(at + sizeof value);
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const auto bits = static_cast<int16_t>(8 * sizeof(T));
  if (options.second) {
    put(0, int32_t{540});
    std::memcpy(file.data() + 4, "n+2\0\r\n\032\n", 8);
    put(12, code), put(14, bits);
    put(16, static_cast<int64_t>(size.size()));
    for (size_t i = 0; i < 7; ++i) put(24 + 8 * i, i < size.size() ? size[i] : int64_t{1});
    put(168, static_cast<int64_t>(offset)), put(176, options.slope), put(184, options.intercept);
  } else {
    put(0, int32_t{348});
    put(40, static_cast<int16_t>(size.size()));
    for (size_t i = 0; i < 7; ++i)
      put(42 + 2 * i, static_cast<int16_t>(i < size.size() ? size[i] : 1));
    put(70, code), put(72, bits);
    put(108, static_cast<float>(offset));
    put(112, static_cast<float>(options.slope)), put(116, static_cast<float>(options.intercept));
    std::memcpy(file.data() + 344, "n+1", 4);
  }
  for (const T voxel : voxels) put(file.size(), voxel);
  return file;
}

inline std::vector<char> gzipped(const std::vector<char>& bytes) {
  z_stream zlib{};
  if (deflateInit2(&zlib, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib cannot start");
  std::vector<char> out(deflateBound(&zlib, bytes.size()));
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  zlib.avail_in = static_cast<uInt>(bytes.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  if (deflate(&zlib, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("zlib did not finish");
  out.resize(zlib.total_out);
  deflateEnd(&zlib);
  return out;
}

}  // namespace isthmus::testing_support
