#include "training/low_rank.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "nn/linear.h"
#include "weights/storage_policy.h"

namespace isthmus::training {

int64_t add_low_rank(torch::nn::Module& root, const recipe::LoraChoice& choice, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const double alpha = choice.alpha > 0 ? choice.alpha : static_cast<double>(choice.rank);
  std::set<std::string> idle(choice.targets.begin(), choice.targets.end());
  int64_t count = 0;
  for (const auto& module : root.named_modules()) {
    auto* linear = dynamic_cast<nn::LinearImpl*>(module.value().get());
    if (linear == nullptr) continue;
    const auto target = std::ranges::find_if(choice.targets, [&](const std::string& glob) {
      return weights::matches_glob(glob, module.key());
    });
    if (target == choice.targets.end()) continue;
    idle.erase(*target);
    ++count;
    if (!linear->has_lora()) {
      const double bound = 1 / std::sqrt(static_cast<double>(linear->in_features()));
      const torch::Tensor a = torch::empty({choice.rank, linear->in_features()});
      linear->set_lora(
          std::make_shared<nn::DenseMatrix>(a.uniform_(-bound, bound, generator)),
          std::make_shared<nn::DenseMatrix>(torch::zeros({linear->out_features(), choice.rank})),
          alpha / static_cast<double>(choice.rank));
    }
    linear->set_lora_dropout(choice.dropout);
  }
  if (!idle.empty())
    throw UsageError(
        fmt::format("lora.targets: no linear map of the model fits {}", fmt::join(idle, ", ")));
  return count;
}

}  // namespace isthmus::training
