#include "training/trainable.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/slots.h"
#include "weights/storage_policy.h"

namespace isthmus::training {
namespace {

const TrainablePattern* pattern_for(std::span<const TrainablePattern> patterns,
                                    std::string_view name) {
  for (const TrainablePattern& pattern : patterns)
    if (weights::matches_glob(pattern.glob, name)) return &pattern;
  return nullptr;
}

// Matrices become parameters; whatever else holds weights has them as parameters already.
void open_matrix(torch::nn::Module& root, const std::string& slot) {
  const auto module = nn::find_module(root, slot.substr(0, slot.rfind('.')));
  if (auto* linear = dynamic_cast<nn::LinearImpl*>(module.get())) {
    linear->make_trainable();
  } else if (auto* embedding = dynamic_cast<nn::EmbeddingImpl*>(module.get())) {
    embedding->make_trainable();
  } else {
    fail_check("a matrix belongs to a linear layer or an embedding", __FILE__, __LINE__, slot);
  }
}

// Names of the same part as the pattern, to choose from.
std::string near(std::string_view pattern, const std::vector<std::string>& names) {
  const std::string part(pattern.substr(0, pattern.find('.')));
  std::vector<std::string> some;
  for (const std::string& name : names)
    if (some.size() < 3 && name.starts_with(part + ".")) some.push_back(name);
  return some.empty() ? "" : fmt::format(" (there are {}, …)", fmt::join(some, ", "));
}

void check_patterns(std::span<const TrainablePattern> patterns,
                    const std::vector<std::string>& names) {
  std::vector<std::string> idle;
  for (const TrainablePattern& pattern : patterns) {
    const bool fits = std::ranges::any_of(
        names, [&](const std::string& name) { return weights::matches_glob(pattern.glob, name); });
    if (!fits) idle.push_back(fmt::format("\"{}\"{}", pattern.glob, near(pattern.glob, names)));
  }
  if (!idle.empty())
    throw UsageError(
        fmt::format("trainable: no weight of the model fits {}", fmt::join(idle, "; ")));
}

}  // namespace

int64_t Trainable::count() const {
  return rows.empty() ? value.numel()
                      : static_cast<int64_t>(rows.size()) * (value.numel() / value.size(0));
}

std::vector<Trainable> make_trainable(torch::nn::Module& root,
                                      std::span<const TrainablePattern> patterns) {
  for (Tensor& parameter : root.parameters()) parameter.requires_grad_(false);
  std::vector<std::string> names;
  for (const nn::Slot& slot : nn::slots_of(root)) {
    names.push_back(slot.name);
    if (slot.is_matrix() && pattern_for(patterns, slot.name) != nullptr)
      open_matrix(root, slot.name);
  }
  check_patterns(patterns, names);
  std::vector<Trainable> trainables;
  const auto parameters = root.named_parameters();
  for (const auto& entry : parameters) {
    Tensor value = entry.value();
    const TrainablePattern* pattern = pattern_for(patterns, entry.key());
    value.requires_grad_(pattern != nullptr);
    if (pattern == nullptr) continue;
    for (const int64_t row : pattern->rows)
      if (row < 0 || row >= value.size(0))
        throw UsageError(fmt::format("trainable: {} has {} rows; there is no row {}", entry.key(),
                                     value.size(0), row));
    trainables.push_back({entry.key(), value, pattern->rows});
  }
  return trainables;
}

void mask_gradients(std::span<const Trainable> trainables) {
  const torch::NoGradGuard no_gradient;
  for (const Trainable& trainable : trainables) {
    Tensor gradient = trainable.value.grad();
    if (trainable.rows.empty() || !gradient.defined()) continue;
    const Tensor rows = torch::tensor(trainable.rows, torch::kInt64);
    const Tensor kept = gradient.index_select(0, rows).clone();
    gradient.zero_();
    gradient.index_copy_(0, rows, kept);
  }
}

double gradient_norm(std::span<const Trainable> trainables) {
  double squares = 0;
  for (const Trainable& trainable : trainables) {
    const Tensor& gradient = trainable.value.grad();
    if (!gradient.defined()) continue;
    const double norm = gradient.norm().item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

void clip_gradients(std::span<const Trainable> trainables, double norm, double limit) {
  const double factor = limit / (norm + 1e-6);
  if (!(factor < 1)) return;
  for (const Trainable& trainable : trainables)
    if (Tensor gradient = trainable.value.grad(); gradient.defined()) gradient.mul_(factor);
}

}  // namespace isthmus::training
