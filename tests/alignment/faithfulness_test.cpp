#include "alignment/faithfulness.h"

#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "alignment/golden.h"

namespace isthmus::alignment {
namespace {

using nlohmann::json;

// log sigmoid(bias + w·m + Σ_{i<j} q_ij m_i m_j + Σ r_i m_i³), the fixture's model.
struct ClosedForm {
  std::vector<double> w, r;
  Input q;
  double bias;

  double score(std::span<const double> m) const {
    double z = bias;
    for (size_t i = 0; i < w.size(); ++i) {
      z += w[i] * m[i] + r[i] * m[i] * m[i] * m[i];
      for (size_t j = i + 1; j < w.size(); ++j) z += q.numbers[i * w.size() + j] * m[i] * m[j];
    }
    return -std::log1p(std::exp(-z));
  }
  // ∂ score / ∂ m at all present.
  std::vector<double> gradient() const {
    const std::vector<double> all(w.size(), 1);
    const double slope = 1 - std::exp(score(all));
    std::vector<double> result(w.size());
    for (size_t i = 0; i < w.size(); ++i) {
      result[i] = w[i] + 3 * r[i];
      for (size_t j = 0; j < w.size(); ++j)
        if (j != i) result[i] += q.numbers[std::min(i, j) * w.size() + std::max(i, j)];
      result[i] *= slope;
    }
    return result;
  }
};

json json_of(const Faithfulness& result) {
  return {{"curve", result.curve},
          {"auc", result.auc},
          {"random_auc_mean", result.random_auc_mean},
          {"random_auc_sd", result.random_auc_sd},
          {"advantage", result.advantage},
          {"z", alignment::json_of(result.z)},
          {"p", result.p}};
}

TEST(Faithfulness, EqualsTheReference) {
  check_cases("faithfulness", [](const Case& golden) {
    const ClosedForm model{golden.input("w").numbers, golden.input("r").numbers, golden.input("q"),
                           golden.params()["bias"]};
    const Scorer scorer = [&](std::span<const uint8_t> present) {
      return model.score(std::vector<double>(present.begin(), present.end()));
    };
    const Input orders = golden.input("random_orders");
    const auto units = orders.shape[1];
    std::vector<std::vector<int64_t>> random;
    for (auto at = orders.integers.begin(); at != orders.integers.end(); at += units)
      random.emplace_back(at, at + units);

    const Occlusion occluded = occlusion(units, scorer);
    const std::vector<double> one(static_cast<size_t>(units), 1), none(one.size(), 0);
    std::vector<int64_t> own_unit(one.size());
    std::iota(own_unit.begin(), own_unit.end(), int64_t{0});
    const auto gradient = gradient_times_input(model.gradient(), one, none, own_unit, units);
    json found = {{"completeness_residual", occluded.completeness_residual()},
                  {"agreement_spearman", alignment::json_of(spearman(occluded.scores, gradient))}};
    for (const auto& [name, scores] :
         {std::pair{"occlusion", occluded.scores}, {"gradient_x_input", gradient}}) {
      const auto order = order_of(scores);
      found[name] = {
          {"scores", scores},
          {"order", order},
          {"deletion", json_of(faithfulness(Masking::kDeletion, order, random, scorer))},
          {"insertion", json_of(faithfulness(Masking::kInsertion, order, random, scorer))}};
    }
    return found;
  });
}

TEST(Faithfulness, AnAdditiveModelLeavesNoResidual) {
  const std::vector<double> weights = {0.5, -1, 2};
  const Occlusion result = occlusion(3, [&](std::span<const uint8_t> present) {
    double sum = -4;
    for (size_t i = 0; i < 3; ++i) sum += weights[i] * present[i];
    return sum;
  });
  EXPECT_EQ(result.scores, weights);
  EXPECT_EQ(result.completeness_residual(), 0);
}

TEST(Faithfulness, GradientsAreSummedOverTheElementsOfAUnit) {
  const std::vector<double> gradient = {1, 2, 3}, input = {5, 5, 5}, fill = {4, 3, 5};
  EXPECT_EQ(gradient_times_input(gradient, input, fill, std::vector<int64_t>{1, 1, 0}, 3),
            (std::vector<double>{0, 5, 0}));
}

TEST(Faithfulness, RandomOrdersAreSeededPermutations) {
  const auto orders = random_orders(9, 20, 4);
  EXPECT_EQ(orders, random_orders(9, 20, 4));
  EXPECT_NE(orders, random_orders(9, 20, 5));
  for (const auto& order : orders) EXPECT_EQ(std::set(order.begin(), order.end()).size(), 9u);
}

TEST(Spearman, SharesRanksOfTies) {
  const std::vector<double> a = {1, 2, 2, 3}, b = {10, 30, 20, 40};
  // Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: 4.5 / sqrt(4.5 · 5).
  EXPECT_NEAR(spearman(a, b).number, 4.5 / std::sqrt(22.5), 1e-15);
  EXPECT_EQ(spearman(a, std::vector<double>{1, 1, 1, 1}).reason, Reason::kZeroVariance);
}

// Whatever the fixture has is looked at by one of this folder's tests.
TEST(GoldenCases, AreAllOfKnownMetrics) {
  const std::set<std::string> known = {"norm_ratio",
                                       "centroid_gap",
                                       "frechet_text_scaled",
                                       "frechet_floor",
                                       "mmd_text_scaled",
                                       "paired_gap",
                                       "mir",
                                       "energy_distance_text_scaled",
                                       "linear_cka",
                                       "linear_cka_pooled",
                                       "cross_item_retrieval",
                                       "spectrum",
                                       "logit_lens",
                                       "media_dependence",
                                       "vocabulary_retrieval",
                                       "flamingo_gates",
                                       "resampler_rollout",
                                       "onellm_routing",
                                       "media_attention",
                                       "attention_rollout",
                                       "faithfulness",
                                       "paired_comparison",
                                       "exact_signflip",
                                       "holm",
                                       "half_sample_error",
                                       "item_bootstrap"};
  for (const Case& golden : golden_cases())
    EXPECT_TRUE(known.contains(golden.metric())) << golden.id();
}

}  // namespace
}  // namespace isthmus::alignment
