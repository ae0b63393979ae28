// The tensors of a OneLLM by name, wherever they lie: its own files, and perhaps a LLaMA below.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"

namespace isthmus::layout {

// In front of every name of a OneLLM; Meta's own files of a LLaMA do without.
inline constexpr std::string_view kOneLlmPrefix = "llma.";

// "llma." when the checkpoint's names have it, else "".
std::string onellm_prefix(const formats::Checkpoint& checkpoint);

// Names without the prefix. Holds the checkpoints it was made of.
class OneLlmTensors {
 public:
  // A tensor of a later checkpoint stands in front of one of an earlier.
  void add(const formats::Checkpoint& checkpoint);

  const formats::RawTensor* find(std::string_view name) const;
  // Throws ModelError naming the files.
  const formats::RawTensor& at(std::string_view name) const;
  // The shape, which must have `dimensions`; throws ModelError.
  const Shape& shape(std::string_view name, size_t dimensions) const;
  // What stands between `prefix` and the next dot of all names: "0", "1" of "layers.". Numbers in
  // their order.
  std::vector<std::string> children(std::string_view prefix) const;
  // The same, which must be 0, 1, … without a gap; their count. Throws ModelError.
  int64_t count(std::string_view prefix) const;
  const std::map<std::string, const formats::RawTensor*, std::less<>>& all() const {
    return tensors_;
  }
  std::string files() const;  // for messages

 private:
  std::vector<formats::Checkpoint> checkpoints_;
  std::map<std::string, const formats::RawTensor*, std::less<>> tensors_;
};

}  // namespace isthmus::layout
