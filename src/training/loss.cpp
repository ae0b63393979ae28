#include "training/loss.h"

#include <torch/nn/functional/loss.h>

#include "families/sequence_builder.h"

namespace isthmus::training {

TokenLoss token_loss(decoders::LanguageModel& language_model, const Tensor& hidden,
                     const Tensor& labels) {
  const int64_t seq = labels.size(1);
  const Tensor targets = labels.narrow(1, 1, seq - 1).reshape({-1});
  const Tensor places = targets.ne(families::kIgnoredLabel).nonzero().squeeze(1);
  TokenLoss loss;
  loss.num_targets = places.size(0);
  if (loss.num_targets == 0) return loss;
  const Tensor rows =
      hidden.narrow(1, 0, seq - 1).reshape({-1, hidden.size(2)}).index_select(0, places);
  loss.mean = torch::nn::functional::cross_entropy(language_model.logits(rows),
                                                   targets.index_select(0, places));
  return loss;
}

}  // namespace isthmus::training
