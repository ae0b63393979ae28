// The GGUF format of llama.cpp, versions 2 and 3: metadata, then tensors in blocks of few bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "base/shape.h"
#include "formats/raw_tensor.h"

namespace isthmus::formats {

// Lists of numbers are kept as float64 or int64, whatever their type in the file.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;

class GgufFile {
 public:
  // Throws ModelError naming file and key for anything that is broken or does not add up, and
  // UnsupportedError for a version, a byte order or a type of tensor that is not read. Of a file
  // that was laid out from a bundle the tensors are the bundle's (formats/bundle.h).
  static GgufFile open(const std::shared_ptr<const MappedFile>& file);

  const std::string& path() const { return path_; }
  // Views into the mapping, which they keep alive.
  const std::vector<RawTensor>& tensors() const { return tensors_; }
  const RawTensor* find(std::string_view name) const;  // null: there is none
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  // A GGUF file of these metadata and no tensors.
  std::string without_tensors() const;

  bool has(std::string_view key) const { return metadata_.contains(key); }
  // Throws ModelError, naming the key, where it is missing or of another type. With `otherwise` a
  // missing key is that.
  int64_t integer(std::string_view key, std::optional<int64_t> otherwise = {}) const;
  double number(std::string_view key, std::optional<double> otherwise = {}) const;
  bool flag(std::string_view key, std::optional<bool> otherwise = {}) const;
  const std::string& text(std::string_view key) const;
  const std::vector<std::string>& texts(std::string_view key) const;
  const std::vector<int64_t>& integers(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;

 private:
  template <typename T>
  const T& get(std::string_view key, std::string_view expected) const;

  std::string path_;
  std::shared_ptr<const MappedFile> mapping_;
  size_t metadata_end_ = 0;  // in the mapping
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<RawTensor> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace isthmus::formats
