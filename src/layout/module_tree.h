// A tree of modules as PyTorch prints it, with the parameters each module owns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/shape.h"

namespace isthmus::layout {

struct ModuleNode {
  struct Parameter {
    std::string name;
    Shape shape;
  };
  struct Child;

  std::string class_name;
  std::string extra;  // what stands between the brackets of a module without children
  std::vector<Parameter> parameters;
  std::vector<Child> children;
};

struct ModuleNode::Child {
  std::string name;
  ModuleNode module;
};

// A ModuleList of equal modules, named "0", "1", ….
ModuleNode module_list(int64_t count, const ModuleNode& module);

// The entry of a ModuleList that holds no module; prints as "None".
ModuleNode no_module();

// The module at a path such as "transformer.blocks"; InternalError when the tree has none.
ModuleNode& module_at(ModuleNode& root, std::string_view path);

// What print(model) shows (torch.nn.Module.__repr__), without a final newline: children are
// indented by two, equal neighbours in a ModuleList are printed once as "(0-31): 32 x …".
std::string to_string(const ModuleNode& module);

// Parameters with their full names, in the order of named_parameters().
std::vector<ModuleNode::Parameter> named_parameters(const ModuleNode& module);

}  // namespace isthmus::layout
