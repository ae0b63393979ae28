// The module tree of a LLaVA, as its reference implementation prints it.
#pragma once

#include <optional>
#include <vector>

#include "layout/clip_vision_config.h"
#include "layout/llava_config.h"
#include "layout/module_tree.h"

namespace isthmus::layout {

// Original layout: the classes of haotian-liu/LLaVA on transformers 4.37 (LlavaLlamaForCausalLM, …)
// or, for a plain language model, those of transformers. Hugging Face layouts: the classes and
// nesting of transformers 4.57. `tower`: the separate vision tower's config; without it the tower
// prints as the reference prints one that is not loaded yet, with no parameters. Names of
// parameters are those of the files (in the newer spelling of the Hugging Face layouts).
ModuleNode llava_module_tree(const LlavaConfig& config,
                             const std::optional<ClipVisionConfig>& tower = std::nullopt);

// A CLIP vision tower on its own, as transformers 4.37 prints it: CLIPVisionModel.
ModuleNode clip_module_tree(const ClipVisionConfig& tower);

// The module name ("decoder.norm.weight") of every parameter of the tree, with its shape, in the
// tree's order. What a checkpoint of this config must hold, in whatever layout.
std::vector<ModuleNode::Parameter> expected_parameters(
    const LlavaConfig& config, const std::optional<ClipVisionConfig>& tower = std::nullopt);

}  // namespace isthmus::layout
