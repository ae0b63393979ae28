// Names of tensors in files and in modules, in both directions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::weights {

// Both sides hold the same placeholders in the same order: "{i}" stands for a number, a final "*"
// for the rest.
//   {"multi_modal_projector.linear_1.*", "aligner.projector.0.*"}
struct NameRule {
  std::string file, module;
};

// A table of rules; the first that matches decides. Where several file names lead to one module
// name, the first rule is also the way back.
class NameMap {
 public:
  NameMap() = default;
  NameMap(std::initializer_list<NameRule> rules) : NameMap(std::vector<NameRule>(rules)) {}
  explicit NameMap(std::vector<NameRule> rules);

  std::optional<std::string> to_module(std::string_view file_name) const;
  std::optional<std::string> to_file(std::string_view module_name) const;

 private:
  std::vector<NameRule> rules_;
};

// Shell-style: "*" stands for any text, also none, everything else for itself.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace isthmus::weights
