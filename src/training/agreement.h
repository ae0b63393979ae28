// How near a model in few bits stays to the same model in many: what both make of the same answers,
// teacher-forced.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "families/family.h"
#include "recipe/recipe.h"

namespace isthmus::training {

// Of one data set; "reference" is the model in many bits.
struct Agreement {
  std::string data;
  int64_t tokens = 0;       // of all answers
  int64_t same_choice = 0;  // tokens where both find the same one the likeliest
  // KL(reference || model) over the vocabulary, nats: mean over tokens, the 99th percentile, the
  // largest.
  double mean_kl = 0, high_kl = 0, largest_kl = 0;
  int64_t answers = 0;
  int64_t exact = 0, reference_exact = 0;  // greedy decoding would give the answer of the data
  // log p(answer | own medium) - log p(answer | blank medium), nats, mean over answers: how much of
  // the answer comes from the medium.
  double margin = 0, reference_margin = 0;

  double choice_share() const {
    return tokens == 0 ? 0 : static_cast<double>(same_choice) / static_cast<double>(tokens);
  }
};

using LoadFamily = std::function<std::shared_ptr<families::Family>()>;

// The reference is loaded first, asked, and gone before the other is loaded; its logits stay. Both
// must have the same vocabulary (UsageError). `choice`: the samples. `on_answers(done, all)`: as
// passes over a data set end.
std::vector<Agreement> agreement_of(const LoadFamily& reference, const LoadFamily& model,
                                    const recipe::HeldOut& choice,
                                    const std::function<void(int64_t, int64_t)>& on_answers = {});

}  // namespace isthmus::training
