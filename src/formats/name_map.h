// Names of tensors in published files against names in the module tree, in both directions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/raw_tensor.h"

namespace isthmus::formats {

// How the file's tensor becomes the module's. Every entry can be undone.
enum class Transform { kAsIs, kTranspose };

Transform inverse(Transform transform);
// A view: nothing is copied. kTranspose swaps the two dimensions of a matrix; ModelError for any
// other rank.
RawTensor apply(Transform transform, RawTensor tensor);

// {i}, {layer}, … stand for a decimal number without leading zeros, {rest} at the end for any
// non-empty text. Both patterns use the same placeholders, each once:
//   {"model.layers.{i}.{rest}", "decoder.layers.{i}.{rest}"}
struct NameRule {
  std::string file_pattern, module_pattern;
  Transform transform = Transform::kAsIs;
};

struct MappedName {
  std::string name;
  Transform transform;  // from file to module, whichever way was asked
};

// The first rule that fits decides, in either direction: special rules stand before general ones.
// Immutable.
class NameMap {
 public:
  // Throws InternalError for patterns that cannot be inverted: maps are part of the program.
  explicit NameMap(std::vector<NameRule> rules);

  std::optional<MappedName> to_module(std::string_view file_name) const;
  std::optional<MappedName> to_file(std::string_view module_name) const;

  struct Piece {
    std::string literal;      // text before the placeholder
    std::string placeholder;  // empty after the last literal
  };
  using Pattern = std::vector<Piece>;

 private:
  struct CompiledRule {
    Pattern file, module;
    Transform transform;
  };
  std::vector<CompiledRule> rules_;
};

}  // namespace isthmus::formats
