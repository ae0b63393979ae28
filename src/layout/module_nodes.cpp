#include "layout/module_nodes.h"

#include <utility>

#include <fmt/format.h>

namespace isthmus::layout {

ModuleNode leaf(std::string class_name, std::string extra) {
  return {std::move(class_name), std::move(extra), {}, {}};
}

ModuleNode linear(int64_t in, int64_t out, bool bias) {
  ModuleNode node = leaf("Linear", fmt::format("in_features={}, out_features={}, bias={}", in, out,
                                               bias ? "True" : "False"));
  node.parameters.push_back({"weight", {out, in}});
  if (bias) node.parameters.push_back({"bias", {out}});
  return node;
}

ModuleNode embedding(int64_t count, int64_t width, std::optional<int64_t> padding_idx) {
  ModuleNode node = leaf("Embedding", fmt::format("{}, {}", count, width));
  if (padding_idx) node.extra += fmt::format(", padding_idx={}", *padding_idx);
  node.parameters.push_back({"weight", {count, width}});
  return node;
}

ModuleNode layer_norm(int64_t width, double eps, NormParameters parameters,
                      std::string class_name) {
  // fmt writes the shortest digits that read back, with Python's rules for the exponent: 1e-05.
  ModuleNode node = leaf(std::move(class_name),
                         fmt::format("({},), eps={}, elementwise_affine={}", width, eps,
                                     parameters == NormParameters::kNone ? "False" : "True"));
  if (parameters != NormParameters::kNone) node.parameters.push_back({"weight", {width}});
  if (parameters == NormParameters::kWeightAndBias) node.parameters.push_back({"bias", {width}});
  return node;
}

}  // namespace isthmus::layout
