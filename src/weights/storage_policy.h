// In which storage weight matrices are held in memory.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"

namespace isthmus::weights {

enum class Storage { kAsStored, kF32, kF16, kBF16, kQ8, kQ6, kQ5, kQ4 };

// "stored", "f32", "f16", "bf16", "q8", "q6", "q5", "q4". Throws UsageError for anything else.
Storage parse_storage(std::string_view text);

// Globs over module names ("decoder.*_proj.weight", "encoder.*") with a storage each; the first
// that matches decides, and what none matches stays as stored: mapped from the file, nothing
// copied. A conversion makes a private copy. Only matrices have a choice: norms, biases and single
// rows are float32 always.
class StoragePolicy {
 public:
  StoragePolicy() = default;
  explicit StoragePolicy(Storage everything) { add("*", everything); }
  void add(std::string glob, Storage storage) { rules_.emplace_back(std::move(glob), storage); }
  Storage storage_for(std::string_view module_name) const;
  // The dtype a matrix stored as `stored` is held in.
  DType dtype_for(std::string_view module_name, DType stored) const;

 private:
  std::vector<std::pair<std::string, Storage>> rules_;
};

// Shell-style: "*" stands for any text, also none, everything else for itself.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace isthmus::weights
