// What a run measured, one line of JSON a step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include <nlohmann/json_fwd.hpp>

#include "training/stage_run.h"

namespace isthmus::training {

// Lines behind `step` are cut off first, and a last one without an end: a run that goes on after
// that step writes them again. {"step", "loss": [one per data entry, null without targets],
// "gradient_norm", "rate", "targets"} and the gauges by their names. Throws ResourceError.
class MetricsLog {
 public:
  MetricsLog(const std::filesystem::path& file, int64_t step);
  void add(const StepReport& report);
  // Any object that begins with its "step".
  void add_line(const nlohmann::ordered_json& line);

 private:
  std::filesystem::path file_;
  std::ofstream stream_;
};

}  // namespace isthmus::training
