// The module tree of a plain language model, as transformers 4.33 prints it (MosaicGPT: as its own
// code does; LLaMA and Mistral: as transformers 4.37 does).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_view.h"
#include "layout/module_tree.h"

namespace isthmus::layout {

struct LanguageModelTree {
  ModuleNode model;
  // Where the decoder blocks stand: the path of their ModuleList below the model
  // ("transformer.blocks"), for module_at. Who puts something between them wraps its children.
  std::string blocks;
};

// `config`: the model's config.json. `vocab_size`: rows of the embedding and of the head after they
// were resized, where that differs from the config. Names of parameters are those of the files; a
// tied head prints but owns none. Throws UnsupportedError for a model_type there is no decoder for.
LanguageModelTree language_model_tree(std::string_view model_type, const JsonView& config,
                                      std::optional<int64_t> vocab_size = std::nullopt);

// The module name ("decoder.wte.weight") of every parameter of the tree, with its shape, in the
// tree's order. What a checkpoint of this config must hold.
std::vector<ModuleNode::Parameter> expected_parameters(
    std::string_view model_type, const JsonView& config,
    std::optional<int64_t> vocab_size = std::nullopt);

}  // namespace isthmus::layout
