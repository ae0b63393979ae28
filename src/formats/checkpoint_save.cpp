#include "base/ordered_json.h"
#include "formats/checkpoint_plan.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

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

using TensorsByName = std::unordered_map<std::string_view, const OutgoingTensor*>;

TensorsByName index_by_name(const CheckpointPlan& plan, std::span<const OutgoingTensor> tensors,
                            const fs::path& folder) {
  constexpr size_t kMaxListed = 10;
  std::unordered_map<std::string_view, bool> planned;  // name -> offered
  for (const CheckpointShard& shard : plan.shards)
    for (const std::string& name : shard.names) planned.emplace(name, false);
  TensorsByName by_name;
  std::vector<std::string> wrong;
  for (const OutgoingTensor& tensor : tensors) {
    const auto place = planned.find(tensor.name);
    if (!by_name.emplace(tensor.name, &tensor).second)
      wrong.push_back(printable(tensor.name) + " (twice)");
    else if (place == planned.end())
      wrong.push_back(printable(tensor.name) + " (not in the original)");
    else
      place->second = true;
  }
  for (const CheckpointShard& shard : plan.shards)
    for (const std::string& name : shard.names)
      if (!planned.at(name)) wrong.push_back(printable(name) + " (missing)");
  if (wrong.empty()) return by_name;
  const size_t count = wrong.size();
  wrong.resize(std::min(count, kMaxListed));
  throw ModelError(fmt::format("{}: {} tensors do not fit the original layout: {}{}",
                               folder.string(), count, fmt::join(wrong, ", "),
                               count > kMaxListed ? ", ..." : ""));
}

void write_index(const CheckpointPlan& plan, const TensorsByName& tensors, const fs::path& folder) {
  size_t total = 0;
  nlohmann::json index = JsonView::load(plan.index_like).raw();
  nlohmann::json weight_map = nlohmann::json::object();
  for (const CheckpointShard& shard : plan.shards)
    for (const std::string& name : shard.names) {
      weight_map[name] = shard.file.string();
      total += tensors.at(name)->contiguous_size();
    }
  index["weight_map"] = std::move(weight_map);
  if (!index["metadata"].is_object()) index["metadata"] = nlohmann::json::object();
  index["metadata"]["total_size"] = total;
  write_file(folder / plan.index_like.filename(), index.dump(2) + "\n");
}

}  // namespace

CheckpointPlan plan_like(const Checkpoint& original) {
  const fs::path& index = original.index_file();
  CheckpointPlan plan{original.shards(), index};
  for (CheckpointShard& shard : plan.shards)
    shard.file =
        index.empty() ? shard.file.filename() : shard.file.lexically_relative(index.parent_path());
  return plan;
}

CheckpointPlan plan_file(const fs::path& file) {
  CheckpointShard shard;
  shard.file = file;
  if (file.extension() == ".safetensors")
    shard.metadata = {{"format", "pt"}};  // transformers refuses a file that does not say so
  else
    shard.format = FileFormat::kTorch;
  return {{shard}, {}};
}

void write_checkpoint(const CheckpointPlan& plan, std::span<const OutgoingTensor> tensors,
                      const fs::path& folder) {
  const TensorsByName by_name = index_by_name(plan, tensors, folder);
  for (const CheckpointShard& shard : plan.shards) {
    const fs::path target = folder / shard.file;
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (error)
      throw ResourceError(
          fmt::format("{}: cannot be created: {}", target.parent_path().string(), error.message()));
    std::vector<OutgoingTensor> members;
    for (const std::string& name : shard.names) members.push_back(*by_name.at(name));
    if (shard.format == FileFormat::kSafetensors)
      write_safetensors(target, members, shard.metadata);
    else
      write_torch_checkpoint(target, members, shard.layout);
  }
  if (!plan.index_like.empty()) write_index(plan, by_name, folder);
}

void save_checkpoint_like(const Checkpoint& original, std::span<const RawTensor> tensors,
                          const fs::path& folder) {
  write_checkpoint(plan_like(original), outgoing(tensors), folder);
}

}  // namespace isthmus::formats
