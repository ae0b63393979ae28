#include "layout/module_tree.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"

namespace isthmus::layout {

namespace {

constexpr const char* kNoModule = "None";

std::string indented(const std::string& text) {
  std::string result;
  for (const char ch : text) {
    result += ch;
    if (ch == '\n') result += "  ";
  }
  return result;
}

// torch.nn.ParameterDict prints what it holds itself, two columns further to the right.
std::vector<std::string> parameter_lines(const ModuleNode& module) {
  std::vector<std::string> lines;
  for (const ModuleNode::Parameter& parameter : module.parameters)
    lines.push_back(fmt::format("  ({}): Parameter containing: [torch.FloatTensor of size {}]",
                                parameter.name, fmt::join(parameter.shape, "x")));
  return lines;
}

std::vector<std::string> child_lines(const ModuleNode& module) {
  if (module.class_name == "ParameterDict") return parameter_lines(module);
  std::vector<std::string> lines;
  const auto& children = module.children;
  for (size_t first = 0; first < children.size();) {
    const std::string text = to_string(children[first].module);
    size_t last = first;
    if (module.class_name == "ModuleList")
      while (last + 1 < children.size() && to_string(children[last + 1].module) == text) ++last;
    lines.push_back(last == first
                        ? fmt::format("({}): {}", children[first].name, indented(text))
                        : fmt::format("({}-{}): {} x {}", children[first].name, children[last].name,
                                      last - first + 1, indented(text)));
    first = last + 1;
  }
  return lines;
}

void collect(const ModuleNode& module, const std::string& prefix,
             std::vector<ModuleNode::Parameter>& into) {
  for (const auto& parameter : module.parameters)
    into.push_back({prefix + parameter.name, parameter.shape});
  for (const auto& child : module.children) collect(child.module, prefix + child.name + ".", into);
}

}  // namespace

ModuleNode module_list(int64_t count, const ModuleNode& module) {
  ModuleNode list{"ModuleList", "", {}, {}};
  for (int64_t i = 0; i < count; ++i) list.children.push_back({std::to_string(i), module});
  return list;
}

ModuleNode no_module() { return {kNoModule, "", {}, {}}; }

ModuleNode& module_at(ModuleNode& root, std::string_view path) {
  ModuleNode* current = &root;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    const auto child = std::ranges::find(current->children, name, &ModuleNode::Child::name);
    ISTHMUS_CHECK(child != current->children.end(), "the module tree has no " + std::string(path));
    current = &child->module;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return *current;
}

std::string to_string(const ModuleNode& module) {
  const auto lines = child_lines(module);
  if (module.class_name == kNoModule) return kNoModule;
  if (lines.empty()) return fmt::format("{}({})", module.class_name, module.extra);
  std::string text = module.class_name + "(\n";
  if (!module.extra.empty()) text += "  " + module.extra + "\n";
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text + ")";
}

std::vector<ModuleNode::Parameter> named_parameters(const ModuleNode& module) {
  std::vector<ModuleNode::Parameter> parameters;
  collect(module, "", parameters);
  return parameters;
}

}  // namespace isthmus::layout
