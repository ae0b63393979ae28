// All tensors of a checkpoint, whatever files and formats they are spread over.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/raw_tensor.h"

namespace isthmus::formats {

// Union of the shards of one checkpoint, memory-mapped. Immutable after opening; safe from any thread.
class Checkpoint {
 public:
  // A weights file (.safetensors, .bin, .pt, .pth) or a model folder. In a folder, in this order:
  // model.safetensors.index.json, model.safetensors, pytorch_model.bin.index.json, pytorch_model.bin.
  // Throws ModelError: nothing found (lists what was looked for), a shard that the index names is missing, a
  // key that the index promises is not in its shard, the same key in two shards.
  static Checkpoint open(const std::filesystem::path& path);
  static Checkpoint open_files(std::span<const std::filesystem::path> files);

  const std::vector<std::string>& names() const;             // in file order
  const RawTensor* find(std::string_view name) const;        // nullptr when absent
  const RawTensor& at(std::string_view name) const;          // ModelError naming the files when absent
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  const std::vector<std::filesystem::path>& files() const;
  size_t total_bytes() const;                                // of all tensors, shared storage counted once

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace isthmus::formats
