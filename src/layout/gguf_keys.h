// Metadata of a GGUF file within the bounds of config_checks.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/gguf.h"

namespace isthmus::layout {

// Keys below a prefix ("llama", "clip.vision"). Throws ModelError naming file and key.
class GgufKeys {
 public:
  GgufKeys(const formats::GgufFile& file, std::string prefix)
      : file_(file), prefix_(std::move(prefix)) {}

  std::string key(std::string_view name) const { return prefix_ + "." + std::string(name); }
  bool has(std::string_view name) const { return file_.has(key(name)); }
  // A whole number in [1, most]; without `otherwise` the key must be there.
  int64_t size(std::string_view name, int64_t most,
               std::optional<int64_t> otherwise = std::nullopt) const;
  double number(std::string_view name, std::optional<double> otherwise = std::nullopt) const;
  bool flag(std::string_view name, std::optional<bool> otherwise = std::nullopt) const {
    return file_.flag(key(name), otherwise);
  }
  // A name: printable, of at most 64 bytes.
  std::string text(std::string_view name, std::string_view otherwise) const;
  // Shape of a tensor that must be there with so many dimensions.
  const Shape& shape_of(std::string_view tensor, size_t dimensions) const;

  [[noreturn]] void fail(std::string_view name, const std::string& reason) const;
  [[noreturn]] void unsupported(std::string_view name, const std::string& reason) const;

  const formats::GgufFile& file() const { return file_; }

 private:
  const formats::GgufFile& file_;
  std::string prefix_;
};

}  // namespace isthmus::layout
