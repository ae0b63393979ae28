// What a run needs to go on as if it had never stopped, on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <torch/types.h>

namespace isthmus::training {
using torch::Tensor;

struct TrainingState {
  int64_t step = 0;              // of the optimiser, done
  nlohmann::ordered_json place;  // in the data, and what the run was started with
  std::vector<std::pair<std::string, Tensor>> tensors;  // "weight.…", "optimiser.0.exp_avg.…"
};

// The checkpoints of one stage: files step-000000123.safetensors in a folder of their own. Each is
// written under another name, forced to the disk and renamed, so it is there whole or not at all;
// older ones are removed only then.
class StateFolder {
 public:
  StateFolder(std::filesystem::path folder, int64_t keep);

  // Throws ResourceError (disk full, permissions); what was there stays.
  void save(const TrainingState& state) const;
  // The newest that can be read, or none; those that cannot are told to `on_damaged`, newest first.
  std::optional<TrainingState> newest(
      const std::function<void(const std::string& problem)>& on_damaged) const;

 private:
  std::vector<std::filesystem::path> files() const;  // newest first

  std::filesystem::path folder_;
  int64_t keep_;
};

}  // namespace isthmus::training
