#include "formats/checkpoint.h"

#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/json_view.h"
#include "formats/bytes.h"
#include "formats/safetensors.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

namespace fs = std::filesystem;

using TensorsByName = std::unordered_map<std::string_view, const RawTensor*>;

TensorsByName index_by_name(const Checkpoint& original, std::span<const RawTensor> tensors,
                            const fs::path& folder) {
  constexpr size_t kMaxListed = 10;
  TensorsByName by_name;
  std::vector<std::string> wrong;
  for (const RawTensor& tensor : tensors)
    if (!by_name.emplace(tensor.name, &tensor).second)
      wrong.push_back(printable(tensor.name) + " (twice)");
    else if (!original.contains(tensor.name))
      wrong.push_back(printable(tensor.name) + " (not in the original)");
  for (const std::string& name : original.names())
    if (!by_name.contains(name)) wrong.push_back(printable(name) + " (missing)");
  if (wrong.empty()) return by_name;
  const size_t count = wrong.size();
  wrong.resize(std::min(count, kMaxListed));
  throw ModelError(fmt::format("{}: {} tensors do not fit the original layout: {}{}",
                               folder.string(), count, fmt::join(wrong, ", "),
                               count > kMaxListed ? ", ..." : ""));
}

void write_index(const Checkpoint& original, const TensorsByName& tensors, const fs::path& folder) {
  size_t total = 0;
  nlohmann::json index = JsonView::load(original.index_file()).raw();
  nlohmann::json weight_map = nlohmann::json::object();
  const fs::path root = original.index_file().parent_path();
  for (const CheckpointShard& shard : original.shards())
    for (const std::string& name : shard.names) {
      weight_map[name] = shard.file.lexically_relative(root).string();
      total += tensors.at(name)->contiguous_size();
    }
  index["weight_map"] = std::move(weight_map);
  if (!index["metadata"].is_object()) index["metadata"] = nlohmann::json::object();
  index["metadata"]["total_size"] = total;
  write_file(folder / original.index_file().filename(), index.dump(2) + "\n");
}

}  // namespace

void save_checkpoint_like(const Checkpoint& original, std::span<const RawTensor> tensors,
                          const fs::path& folder) {
  const TensorsByName by_name = index_by_name(original, tensors, folder);
  std::error_code error;
  const fs::path& index = original.index_file();
  for (const CheckpointShard& shard : original.shards()) {
    const fs::path target =
        folder / (index.empty() ? shard.file.filename()
                                : shard.file.lexically_relative(index.parent_path()));
    fs::create_directories(target.parent_path(), error);
    if (error)
      throw ResourceError(
          fmt::format("{}: cannot be created: {}", target.parent_path().string(), error.message()));
    std::vector<RawTensor> members;
    for (const std::string& name : shard.names) members.push_back(*by_name.at(name));
    if (shard.format == FileFormat::kSafetensors)
      write_safetensors(target, members, shard.metadata);
    else
      write_torch_checkpoint(target, members, shard.layout);
  }
  if (!index.empty()) write_index(original, by_name, folder);
}

}  // namespace isthmus::formats
