// Checkpoints of several files, before they are written.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/outgoing_tensor.h"

namespace isthmus::formats {

// Which files there will be, and which tensor stands in which. `file` of a shard is its path below
// the folder.
struct CheckpointPlan {
  std::vector<CheckpointShard> shards;
  // An index file to be written under the same name, whose other keys are kept. Empty: none.
  std::filesystem::path index_like;
};

// The files of a checkpoint that was read.
CheckpointPlan plan_like(const Checkpoint& original);
// One file, in the format its ending names.
CheckpointPlan plan_file(const std::filesystem::path& file);

// Writes below `folder`. Each file appears whole or not at all, the index last. Throws ModelError
// listing tensors that the plan has and `tensors` lacks, or the other way round.
void write_checkpoint(const CheckpointPlan& plan, std::span<const OutgoingTensor> tensors,
                      const std::filesystem::path& folder);

}  // namespace isthmus::formats
