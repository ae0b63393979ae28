// What all ways of answering with an engine share.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

#include "engine/media_cache.h"
#include "families/family.h"
#include "nn/ops.h"

namespace isthmus::engine {
using torch::Tensor;

// How this engine's arithmetic runs: fused kernels without gradients, or plain operations with
// them.
class ArithmeticMode {
 public:
  explicit ArithmeticMode(bool composed) {
    if (composed)
      composed_.emplace();
    else
      inference_.emplace();
  }

 private:
  std::optional<c10::InferenceMode> inference_;
  std::optional<nn::ops::ComposedOnly> composed_;
};

// Throws ResourceError for a prompt that leaves the answer no room in the model's context.
void check_prompt_length(int64_t length, std::span<const std::shared_ptr<const CachedMedia>> media,
                         const families::Family& family);

// A dense float32 tensor as the samplers read it.
inline std::span<const float> as_span(const Tensor& row) {
  return {row.data_ptr<float>(), static_cast<size_t>(row.numel())};
}

// Those of the request and those of the model's template.
inline std::vector<std::string> stop_strings(const Request& request,
                                             const families::StopRules& rules) {
  std::vector<std::string> all = request.generate.stop;
  all.insert(all.end(), rules.strings.begin(), rules.strings.end());
  return all;
}

}  // namespace isthmus::engine
