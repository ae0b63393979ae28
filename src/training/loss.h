// Next-token loss.
#pragma once

#include <cstdint>

#include "decoders/language_model.h"

namespace isthmus::training {
using torch::Tensor;

struct TokenLoss {
  Tensor mean;  // over all targets of the batch, by their weights; undefined when there are none
  int64_t num_targets = 0;
  double weight = 0;  // of all targets together: what the mean was divided by
};

// hidden [batch, seq, hidden_size] behind the final norm, labels [batch, seq] with
// families::kIgnoredLabel: row i predicts label i + 1, which counts by its own of `weights`
// [batch, seq] (undefined: all alike). Logits are computed only of rows that predict something.
TokenLoss token_loss(decoders::LanguageModel& language_model, const Tensor& hidden,
                     const Tensor& labels, const Tensor& weights = {});

}  // namespace isthmus::training
