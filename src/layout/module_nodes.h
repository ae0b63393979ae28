// The leaves that module trees are made of, with the parameters they own, as torch.nn prints them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "layout/module_tree.h"
#include "layout/norm_parameters.h"

namespace isthmus::layout {

ModuleNode leaf(std::string class_name, std::string extra = "");
ModuleNode linear(int64_t in, int64_t out, bool bias);
ModuleNode embedding(int64_t count, int64_t width,
                     std::optional<int64_t> padding_idx = std::nullopt);

// `class_name`: what a subclass prints instead.
ModuleNode layer_norm(int64_t width, double eps,
                      NormParameters parameters = NormParameters::kWeightAndBias,
                      std::string class_name = "LayerNorm");

}  // namespace isthmus::layout
