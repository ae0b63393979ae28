// All tensors of a checkpoint, whatever files and formats they are spread over.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/raw_tensor.h"
#include "formats/torch_checkpoint.h"

namespace isthmus::formats {

enum class FileFormat { kSafetensors, kTorch };

// One file of a checkpoint, with what is needed to write another like it.
struct CheckpointShard {
  std::filesystem::path file;
  FileFormat format = FileFormat::kSafetensors;
  std::vector<std::string> names;               // in file order
  TorchLayout layout;                           // torch files
  std::map<std::string, std::string> metadata;  // safetensors files
};

// Union of the shards of one checkpoint, memory-mapped. Immutable after opening; safe from any
// thread.
class Checkpoint {
 public:
  // A weights file (.safetensors, .bin, .pt, .pth; a TorchScript archive too) or a model folder. In
  // a folder, in this order: model.safetensors.index.json, model.safetensors,
  // pytorch_model.bin.index.json, pytorch_model.bin. An index file may also be named itself. Throws
  // ModelError: nothing found (lists what was looked for), a shard that the index names is missing,
  // a key that the index promises is not in its shard, the same key in two shards.
  static Checkpoint open(const std::filesystem::path& path);
  static Checkpoint open_files(std::span<const std::filesystem::path> files);
  // Tensors that were put together from `files`. Throws ModelError for a name used twice. There are
  // no shards to write another like it.
  static Checkpoint of_tensors(std::vector<RawTensor> tensors,
                               std::vector<std::filesystem::path> files);

  const std::vector<std::string>& names() const;       // in file order
  const RawTensor* find(std::string_view name) const;  // nullptr when absent
  const RawTensor& at(std::string_view name) const;    // ModelError naming the files when absent
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  const std::vector<std::filesystem::path>& files() const;
  size_t total_bytes() const;  // of all tensors, shared storage counted once

  const std::vector<CheckpointShard>& shards() const;
  const std::filesystem::path& index_file() const;  // empty when there is none

 private:
  struct State;
  explicit Checkpoint(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  static Checkpoint open_index(const std::filesystem::path& index);

  std::shared_ptr<const State> state_;
};

// Writes `tensors` into `folder` in the layout of `original`: same file names, formats, wrappers
// and index. The tensors must be those of the original by name, in any order; dtypes and shapes may
// differ. Each file appears whole or not at all, the index last. Throws ModelError listing names
// that are missing or unknown.
void save_checkpoint_like(const Checkpoint& original, std::span<const RawTensor> tensors,
                          const std::filesystem::path& folder);

}  // namespace isthmus::formats
