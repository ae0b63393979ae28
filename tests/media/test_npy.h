// Reads the .npy files that tests compare with. The media layer sees no formats library, so tests
// bring this.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/shape.h"

namespace isthmus::testing_support {

template <typename T>
struct Npy {
  Shape shape;
  std::vector<T> values;
};

inline std::vector<char> read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

// `descr` is numpy's name of T: "|u1", "<f4".
template <typename T>
Npy<T> read_npy(const std::filesystem::path& path, const std::string& descr) {
  const std::vector<char> bytes = read_file(path);
  const size_t header_size =
      static_cast<unsigned char>(bytes.at(8)) + 256u * static_cast<unsigned char>(bytes.at(9));
  const std::string header(bytes.begin() + 10,
                           bytes.begin() + 10 + static_cast<std::ptrdiff_t>(header_size));
  if (header.find("'" + descr + "'") == std::string::npos ||
      header.find("False") == std::string::npos)
    throw std::runtime_error(path.string() + ": expected C order " + descr + ", found " + header);
  Npy<T> npy;
  size_t at = header.find('(') + 1, count = 1;
  while (header[at] != ')') {
    size_t used = 0;
    npy.shape.push_back(std::stoll(header.substr(at), &used));
    count *= static_cast<size_t>(npy.shape.back());
    at = header.find_first_not_of(", ", at + used);
  }
  npy.values.resize(count);
  if (bytes.size() != 10 + header_size + count * sizeof(T))
    throw std::runtime_error(path.string() + ": wrong size");
  std::memcpy(npy.values.data(), bytes.data() + 10 + header_size, count * sizeof(T));
  return npy;
}

inline Npy<uint8_t> read_npy_bytes(const std::filesystem::path& path) {
  return read_npy<uint8_t>(path, "|u1");
}
inline Npy<float> read_npy_floats(const std::filesystem::path& path) {
  return read_npy<float>(path, "<f4");
}

}  // namespace isthmus::testing_support
