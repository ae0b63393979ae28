#include "weights/lora.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "nn/dense_matrix.h"
#include "nn/linear.h"
#include "nn/low_rank.h"
#include "weights/bind.h"
#include "weights/tensor_of.h"

namespace isthmus::weights {
namespace {

using formats::RawTensor;
using torch::Tensor;

struct Pair {
  const RawTensor* a = nullptr;
  const RawTensor* b = nullptr;
};

struct Target {
  nn::LinearImpl* linear;
  Pair pair;
};

// "….q_proj.lora_A.weight" -> ("….q_proj", true for A)
std::optional<std::pair<std::string, bool>> split(const std::string& name) {
  for (const bool is_a : {true, false}) {
    for (const char* middle : {"", ".default"}) {
      const std::string suffix = std::string(is_a ? ".lora_A" : ".lora_B") + middle + ".weight";
      if (name.ends_with(suffix))
        return std::pair(name.substr(0, name.size() - suffix.size()), is_a);
    }
  }
  return std::nullopt;
}

void check_shapes(const std::string& name, const Target& target,
                  std::vector<std::string>& problems) {
  const RawTensor& a = *target.pair.a;
  const RawTensor& b = *target.pair.b;
  const int64_t in = target.linear->in_features(), out = target.linear->out_features();
  const bool fits = a.shape.size() == 2 && b.shape.size() == 2 && a.shape[0] > 0 &&
                    a.shape[1] == in && b.shape[0] == out && b.shape[1] == a.shape[0];
  if (!fits) {
    problems.push_back(a.file + ": lora_A and lora_B of " + name + " are " + to_string(a.shape) +
                       " and " + to_string(b.shape) + ", the weight is " +
                       to_string(Shape{out, in}));
  } else if (!is_floating_point(a.dtype) || !is_floating_point(b.dtype)) {
    problems.push_back(a.file + ": lora_A and lora_B of " + name + " must be floating-point");
  }
}

std::vector<Target> find_targets(torch::nn::Module& root, const formats::Checkpoint& adapter,
                                 const formats::NameMap& names) {
  std::vector<std::string> problems;
  std::map<std::string, Pair> pairs;
  for (const std::string& name : adapter.names()) {
    const RawTensor& raw = adapter.at(name);
    const auto mapped = names.to_module(name);
    const auto parts = mapped ? split(mapped->name) : std::nullopt;
    if (!parts) {
      problems.push_back(raw.file + ": " + name + " is not half of a LoRA pair (lora_A, lora_B)");
      continue;
    }
    (parts->second ? pairs[parts->first].a : pairs[parts->first].b) = &raw;
  }
  std::vector<Target> targets;
  for (const auto& [name, pair] : pairs) {
    const std::string file = (pair.a != nullptr ? pair.a : pair.b)->file;
    if (pair.a == nullptr || pair.b == nullptr) {
      problems.push_back(file + ": " + name + " has no " +
                         (pair.a == nullptr ? "lora_A" : "lora_B"));
      continue;
    }
    const auto module = nn::find_module(root, name);
    auto* linear = dynamic_cast<nn::LinearImpl*>(module.get());
    if (linear == nullptr || linear->matrix() == nullptr) {
      problems.push_back(file + ": " + name + " is not a linear layer of the model");
      continue;
    }
    targets.push_back(Target{linear, pair});
    check_shapes(name, targets.back(), problems);
  }
  if (!problems.empty()) throw_collected(problems);
  return targets;
}

std::shared_ptr<const nn::WeightMatrix> merged(const nn::WeightMatrix& base, const Pair& pair,
                                               double scaling) {
  const Tensor a = float_tensor_of(*pair.a), b = float_tensor_of(*pair.b);
  if (const auto* dense = dynamic_cast<const nn::DenseMatrix*>(&base))
    return nn::add_low_rank(*dense, a, b, scaling);
  return nn::add_low_rank(nn::DenseMatrix(base.to_dense()), a, b, scaling);
}

}  // namespace

LoraReport merge_lora(torch::nn::Module& root, const formats::Checkpoint& adapter,
                      const formats::NameMap& names, double scaling) {
  ISTHMUS_CHECK(!c10::InferenceMode::is_enabled(),
                "weights merged in inference mode could never be trained");
  const torch::NoGradGuard no_gradient;
  LoraReport report;
  for (const Target& target : find_targets(root, adapter, names)) {
    target.linear->set_matrix(merged(*target.linear->matrix(), target.pair, scaling));
    report.private_bytes += target.linear->matrix()->bytes();
    ++report.matrices;
  }
  return report;
}

LoraReport attach_lora(torch::nn::Module& root, const formats::Checkpoint& adapter,
                       const formats::NameMap& names, double scaling) {
  ISTHMUS_CHECK(!c10::InferenceMode::is_enabled(),
                "adapters attached in inference mode could never be trained");
  LoraReport report;
  for (const Target& target : find_targets(root, adapter, names)) {
    auto a = std::make_shared<nn::DenseMatrix>(float_tensor_of(*target.pair.a));
    auto b = std::make_shared<nn::DenseMatrix>(float_tensor_of(*target.pair.b));
    report.private_bytes += a->bytes() + b->bytes();
    target.linear->set_lora(std::move(a), std::move(b), scaling);
    ++report.matrices;
  }
  return report;
}

}  // namespace isthmus::weights
