// Writes a OneLLM as its own code does: one file with every weight.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "families/onellm/onellm.h"
#include "families/output.h"
#include "families/package.h"
#include "weights/bind.h"

namespace isthmus::families::onellm {

// consolidated.00-of-01.pth into `folder`, with the tokenizer, params.json and onellm.json beside
// it where the model had them, together or not at all. `sources`: what the modules were bound from.
void save(OneLlmModules& modules, const layout::OneLlmModel& model,
          std::span<const weights::WeightSource> sources, const std::filesystem::path& folder,
          const OutputOptions& options);

// One folder with one file of weights. Throws UsageError for a checkpoint on a LLaMA of its own.
Package package(const layout::OneLlmModel& model,
                const std::vector<weights::WeightSource>& sources);

}  // namespace isthmus::families::onellm
