#include "metrics/classification.h"

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "metrics/metrics_testing.h"

namespace isthmus::metrics {
namespace {

using Ints = std::vector<int64_t>;
using Doubles = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Accuracy, IsTheShareOfHits) {
  EXPECT_EQ(accuracy(Ints{1, 2, 3, 4}, Ints{1, 2, 0, 4}), 0.75);
  EXPECT_EQ(message_of<UsageError>([] { accuracy(Ints{}, Ints{}); }),
            "accuracy: there is nothing to judge");
  EXPECT_EQ(message_of<UsageError>([] { accuracy(Ints{1}, Ints{1, 2}); }),
            "accuracy: 1 predictions for 2 labels, expected as many");
}

TEST(TopK, CountsLabelsAmongTheHighestScores) {
  const Doubles scores = {0.1, 0.5, 0.3, 0.1,  //
                          0.4, 0.4, 0.1, 0.1};
  EXPECT_EQ(top_k_accuracy(scores, 4, Ints{2, 1}, 1), 0);
  EXPECT_EQ(top_k_accuracy(scores, 4, Ints{2, 1}, 2), 1);
  EXPECT_EQ(top_k_accuracy(scores, 4, Ints{3, 0}, 1), 0.5);  // of equal scores the first
  EXPECT_EQ(top_k_accuracy(scores, 4, Ints{3, 3}, 4), 1);
}

TEST(TopK, SizesAndLabelsThatDoNotFitAreErrors) {
  const Doubles scores = {0.1, 0.5, 0.3, 0.1};
  EXPECT_EQ(message_of<UsageError>([&] { top_k_accuracy(scores, 4, Ints{1}, 5); }),
            "top-k accuracy: k is 5 with 4 classes, expected 1 to 4");
  EXPECT_EQ(message_of<UsageError>([&] { top_k_accuracy(scores, 3, Ints{1}, 1); }),
            "top-k accuracy: 4 scores do not make rows of 3 classes");
  EXPECT_EQ(message_of<InputError>([&] { top_k_accuracy(scores, 4, Ints{4}, 1); }),
            "top-k accuracy: label 4 of item 0 is outside the classes 0 to 3");
  EXPECT_EQ(message_of<InputError>([] { top_k_accuracy(Doubles{1, kNan}, 2, Ints{0}, 1); }),
            "top-k accuracy: the score of item 0 is not a number");
}

TEST(RocAuc, EqualsScikitLearnOnItsOwnExamples) {
  EXPECT_NEAR(roc_auc(Doubles{0.1, 0.4, 0.35, 0.8}, Ints{0, 0, 1, 1}), 0.75, 1e-15);
  EXPECT_EQ(roc_auc(Doubles{0.5, 0.5, 0.5}, Ints{0, 1, 0}), 0.5);
  EXPECT_EQ(roc_auc(Doubles{1, 2}, Ints{0, 1}), 1);
  EXPECT_EQ(roc_auc(Doubles{2, 1}, Ints{0, 1}), 0);
}

TEST(RocAuc, IsTheShareOfPairsInOrder) {
  Rng rng(9);
  Doubles scores;
  Ints labels;
  for (int i = 0; i < 200; ++i) {
    scores.push_back(std::floor(rng.uniform() * 20));  // many ties
    labels.push_back(rng.uniform() < 0.3 ? 1 : 0);
  }
  double pairs = 0, in_order = 0;
  for (size_t p = 0; p < labels.size(); ++p)
    for (size_t n = 0; n < labels.size(); ++n)
      if (labels[p] == 1 && labels[n] == 0) {
        pairs += 1;
        in_order += scores[p] > scores[n] ? 1 : scores[p] == scores[n] ? 0.5 : 0;
      }
  EXPECT_NEAR(roc_auc(scores, labels), in_order / pairs, 1e-12);
}

TEST(RocAuc, IsUndefinedForOneClass) {
  EXPECT_TRUE(std::isnan(roc_auc(Doubles{0.1, 0.2}, Ints{1, 1})));
  EXPECT_TRUE(std::isnan(roc_auc(Doubles{0.1}, Ints{0})));
}

TEST(RocAuc, OtherLabelsAndScoresAreErrors) {
  EXPECT_EQ(message_of<InputError>([] { roc_auc(Doubles{0.1, 0.2}, Ints{0, 2}); }),
            "ROC-AUC: label 2 of item 1, expected 0 or 1");
  EXPECT_EQ(message_of<InputError>([] { roc_auc(Doubles{0.1, kNan}, Ints{0, 1}); }),
            "ROC-AUC: the score of item 1 is not a number");
  EXPECT_EQ(message_of<UsageError>([] { roc_auc(Doubles{}, Ints{}); }),
            "ROC-AUC: there is nothing to judge");
}

}  // namespace
}  // namespace isthmus::metrics
