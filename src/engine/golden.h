// Replays golden cases: requests with every stage the reference computed, and how close we must
// come.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "isthmus/model.h"

namespace isthmus::engine {

// One stage of one request held against the reference.
struct StageResult {
  std::string request, stage;  // "single", "projected"
  bool agrees = true;
  double max_difference = 0;  // of the worst element
  int64_t num_outside = 0;    // elements beyond the tolerance
  std::string detail;         // where and by how much, when it differs
};

struct GoldenReport {
  std::string name;  // "llava/v15_original"
  std::vector<StageResult> stages;
  // The first stage that differs, in the order in which a model computes them; nullptr when all
  // agree.
  const StageResult* first_difference() const;
};

// `folder` holds expect.json. `model`: used instead of the one named there, unless empty. Throws
// ModelError for a broken case. `on_stage` hears of every comparison as it is made.
GoldenReport verify_golden(const std::filesystem::path& folder, const std::string& model,
                           const LoadOptions& options,
                           const std::function<void(const StageResult&)>& on_stage = {});

// What `isthmus verify` is given: a folder with expect.json, or a model in one file that holds a
// case of its own answers.
struct GoldenPlace {
  std::filesystem::path folder;
  std::string model;  // the file; "" for a folder, whose case names its models
};
// Throws UnsupportedError, saying how to get one, for a model without such a case.
GoldenPlace find_golden(const std::string& what);

}  // namespace isthmus::engine
