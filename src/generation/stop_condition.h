// When an answer is complete.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "isthmus/generation.h"

namespace isthmus::generation {

// kEos: an end token of the model; kStop: a stop string or stop id of the request; kLength:
// max_new_tokens; kCancelled: the caller's callback said so.
enum class FinishReason { kEos, kStop, kLength, kCancelled };

// "eos", "stop", "length", "cancelled"
std::string_view name_of(FinishReason reason);

// Told every token that does not end the answer by its id, in order; true when the text so far
// contains a stop string. Text is not known here, so whoever decodes it supplies this.
using StopStringMatcher = std::function<bool(int64_t token)>;

// Belongs to one sequence: the matcher may have a memory.
class StopCondition {
 public:
  StopCondition(const GenerationConfig& config, std::span<const int64_t> eos_ids,
                StopStringMatcher matches_stop_string = {});

  // `num_new_tokens` counts `token`. The model's own end wins over the request's, both over the
  // length.
  std::optional<FinishReason> after(int64_t token, int64_t num_new_tokens);

 private:
  std::vector<int64_t> eos_ids_, stop_ids_;
  int64_t max_new_tokens_;
  StopStringMatcher matches_stop_string_;
};

}  // namespace isthmus::generation
