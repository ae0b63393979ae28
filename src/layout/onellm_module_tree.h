// The module tree of a OneLLM, as its reference implementation prints it.
#pragma once

#include "layout/module_tree.h"
#include "layout/onellm_config.h"

namespace isthmus::layout {

// Names of parameters are those of the released file. What is left of CLIP's text tower is part of
// the tree as far as the file holds it. A LLaMA alone prints without the modules it lacks.
ModuleNode onellm_module_tree(const OneLlmConfig& config);

}  // namespace isthmus::layout
