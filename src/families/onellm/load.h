// From the files of a OneLLM, or of a LLaMA in Meta's layout, to a bound model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "families/family.h"
#include "isthmus/model.h"
#include "layout/onellm_model.h"
#include "weights/bind.h"

namespace isthmus::families::onellm {

// `model`: where ModelLocator found it; `base` as find_onellm takes it.
std::shared_ptr<Family> load(const std::filesystem::path& model, const std::string& base,
                             const LoadOptions& options);

// What the modules are bound from. Later sources win: what OneLLM trained over the LLaMA it began
// with.
std::vector<weights::WeightSource> weight_sources(const layout::OneLlmModel& model);

class OneLlm;

// The projection module and the modality tokenizers of another OneLLM on the weights of `model`:
// Family::with_aligner. What else is in its files must be what `model` has, byte for byte.
std::shared_ptr<Family> load_beside(const OneLlm& model, const std::filesystem::path& folder,
                                    const LoadOptions& options);

}  // namespace isthmus::families::onellm
