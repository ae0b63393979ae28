// What each expert of a OneLLM counts for a modality, computed from the weights alone.
#pragma once

#include <string>
#include <vector>

#include "layout/onellm_tensors.h"

namespace isthmus::layout {

// [resample tokens][experts]: σ(r) / Σ σ(r) with r = fc2(gelu(fc1(row))) of the learned rows, which
// are the only ones that leave the experts. In float32. Empty when the modality has no router, or
// its tensors do not fit each other: they are listed with what does not fit.
std::vector<std::vector<float>> routing_weights(const OneLlmTensors& tensors,
                                                const std::string& key);

}  // namespace isthmus::layout
