#include "generation/stop_condition.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace isthmus::generation {

std::string_view name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos: return "eos";
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
  }
  ISTHMUS_CHECK(false, "unknown finish reason");
  return "";
}

StopCondition::StopCondition(const GenerationConfig& config, std::span<const int64_t> eos_ids,
                             StopStringMatcher matches_stop_string)
    : eos_ids_(eos_ids.begin(), eos_ids.end()),
      stop_ids_(config.stop_ids),
      max_new_tokens_(config.max_new_tokens),
      matches_stop_string_(std::move(matches_stop_string)) {}

std::optional<FinishReason> StopCondition::after(int64_t token, int64_t num_new_tokens) {
  if (std::ranges::find(eos_ids_, token) != eos_ids_.end()) return FinishReason::kEos;
  if (std::ranges::find(stop_ids_, token) != stop_ids_.end()) return FinishReason::kStop;
  if (matches_stop_string_ && matches_stop_string_(token)) return FinishReason::kStop;
  if (num_new_tokens >= max_new_tokens_) return FinishReason::kLength;
  return std::nullopt;
}

}  // namespace isthmus::generation
