#include "training/loss.h"

#include <torch/nn/functional/loss.h>

#include "families/sequence_builder.h"

namespace isthmus::training {

TokenLoss token_loss(decoders::LanguageModel& language_model, const Tensor& hidden,
                     const Tensor& labels, const Tensor& weights) {
  namespace F = torch::nn::functional;
  const int64_t seq = labels.size(1);
  const Tensor targets = labels.narrow(1, 1, seq - 1).reshape({-1});
  Tensor counted = targets.ne(families::kIgnoredLabel);
  if (weights.defined()) counted = counted & weights.narrow(1, 1, seq - 1).reshape({-1}).gt(0);
  const Tensor places = counted.nonzero().squeeze(1);
  TokenLoss loss;
  loss.num_targets = places.size(0);
  if (loss.num_targets == 0) return loss;
  const Tensor rows =
      hidden.narrow(1, 0, seq - 1).reshape({-1, hidden.size(2)}).index_select(0, places);
  const Tensor logits = language_model.logits(rows), wanted = targets.index_select(0, places);
  if (!weights.defined()) {
    loss.weight = static_cast<double>(loss.num_targets);
    loss.mean = F::cross_entropy(logits, wanted);
    return loss;
  }
  const Tensor shares = weights.narrow(1, 1, seq - 1).reshape({-1}).index_select(0, places);
  loss.weight = shares.sum().item<double>();
  loss.mean = (F::cross_entropy(logits, wanted, F::CrossEntropyFuncOptions().reduction(torch::kNone)) *
               shares)
                  .sum() /
              loss.weight;
  return loss;
}

}  // namespace isthmus::training
