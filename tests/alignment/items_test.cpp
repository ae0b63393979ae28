#include <cmath>
#include <vector>

#include "alignment/cka.h"
#include "alignment/dependence.h"
#include "alignment/golden.h"
#include "alignment/retrieval.h"
#include "alignment/spectrum.h"

namespace isthmus::alignment {
namespace {

using nlohmann::json;

TEST(LinearCka, EqualsTheReference) {
  check_cases("linear_cka", [](const Case& golden) {
    const Input x = golden.input("x"), y = golden.input("y");
    const Cka result = linear_cka(x.rows(), y.rows());
    return json_of(result.named(), result.remarks);
  });
}

TEST(LinearCka, OfRowsPooledByItemEqualsTheReference) {
  check_cases("linear_cka_pooled", [](const Case& golden) {
    const Input media = golden.input("media"), text = golden.input("text");
    const OwnedRows x = pool_by_item(media.rows(), golden.input("media_item").integers);
    const OwnedRows y = pool_by_item(text.rows(), golden.input("text_item").integers);
    const Cka result = linear_cka(x.view(), y.view());
    json found = json_of(result.named(), result.remarks);
    found["pooled_media_row0"] = std::vector(x.data.begin(), x.data.begin() + x.cols);
    found["pooled_text_row0"] = std::vector(y.data.begin(), y.data.begin() + y.cols);
    return found;
  });
}

TEST(Spectrum, EqualsTheReference) {
  check_cases("spectrum", [](const Case& golden) {
    const Input x = golden.input("x");
    const Spectrum result = spectrum(x.rows());
    return json_of(result.named(), result.remarks);
  });
}

json json_of_ranks(const RankSummary& ranks, const std::vector<int64_t>& k) {
  json found = {{"mrr", ranks.mrr}, {"median_rank", ranks.median_rank}};
  for (size_t i = 0; i < k.size(); ++i) found["recall@" + std::to_string(k[i])] = ranks.recall[i];
  return found;
}

json json_of_score(const RetrievalScore& score, const std::vector<int64_t>& k) {
  return {{"media_to_text", json_of_ranks(score.media_to_text, k)},
          {"text_to_media", json_of_ranks(score.text_to_media, k)}};
}

TEST(Retrieval, EqualsTheReference) {
  check_cases("cross_item_retrieval", [](const Case& golden) {
    const Input x = golden.input("x"), y = golden.input("y");
    const auto k = golden.params()["k"].get<std::vector<int64_t>>();
    const Retrieval result =
        cross_item_retrieval(x.rows(), y.rows(), {.k = k, .csls_k = golden.params()["csls_k"]});
    EXPECT_EQ(result.reason, Reason::kNone);
    json found = json_of(NamedValues{}, result.remarks);
    found["raw"] = json_of_score(result.raw, k);
    found["centred"] = json_of_score(result.centred, k);
    found["csls"] = json_of_score(result.csls, k);
    found["ranks"] = result.raw.media_to_text.ranks;
    for (size_t i = 0; i < k.size(); ++i)
      found["chance"]["recall@" + std::to_string(k[i])] = result.chance[i];
    found["matched_cosine"] = result.matched_cosine;
    found["unmatched_cosine"] = result.unmatched_cosine;
    found["matched_cosine_centred"] = result.matched_cosine_centred;
    found["unmatched_cosine_centred"] = result.unmatched_cosine_centred;
    return found;
  });
}

TEST(Retrieval, MeansOfOtherItemsReplaceTheWarning) {
  const std::vector<double> x = {1, 2, 3, 5, 4, 4}, zero = {0, 0};
  const Rows rows(x.data(), 3, 2), mean(zero.data(), 1, 2);
  const Retrieval own = cross_item_retrieval(rows, rows);
  const Retrieval other = cross_item_retrieval(rows, rows, {.media_mean = mean, .text_mean = mean});
  EXPECT_EQ(own.remarks.warnings.size(), other.remarks.warnings.size() + 1);
  // Minus nothing, centred is raw.
  EXPECT_EQ(other.centred.media_to_text.ranks, other.raw.media_to_text.ranks);
  EXPECT_EQ(cross_item_retrieval(rows, Rows(x.data(), 2, 3)).reason, Reason::kShapeMismatch);
}

TEST(Dependence, EqualsTheReference) {
  check_cases("media_dependence", [](const Case& golden) {
    const Input media = golden.input("ll_media"), blank = golden.input("ll_blank");
    const Input swapped = golden.input("ll_swapped"), tokens = golden.input("answer_tokens");
    const Input right = golden.input("correct_media");
    const Input right_swapped = golden.input("correct_swapped");
    const Dependence result = media_dependence({.media = media.numbers,
                                                .blank = blank.numbers,
                                                .swapped = swapped.rows(),
                                                .answer_tokens = tokens.integers,
                                                .correct_media = right.integers,
                                                .correct_swapped = right_swapped.integers});
    json found = json_of(result.named(), result.remarks);
    found["mcnemar_b"] = result.mcnemar_b;
    found["mcnemar_c"] = result.mcnemar_c;
    return found;
  });
}

TEST(Dependence, MediaThatSayNothingScoreChance) {
  const std::vector<double> same = {-3, -5}, others = {-3, -3, -5, -5};
  const std::vector<int64_t> tokens = {2, 3};
  const Dependence result = media_dependence({.media = same,
                                              .blank = same,
                                              .swapped = Rows(others.data(), 2, 2),
                                              .answer_tokens = tokens,
                                              .correct_media = {},
                                              .correct_swapped = {}});
  EXPECT_EQ(result.gain_swapped_mean.number, 0);
  EXPECT_EQ(result.gain_swapped_per_token.number, 0);
  EXPECT_NEAR(result.pmi_contrastive_mean.number, 0, 1e-15);
  EXPECT_EQ(result.win_rate_swapped.number, 0.5);
  EXPECT_EQ(result.top1_among_swapped.number, 0);
  EXPECT_EQ(result.accuracy_drop.reason, Reason::kTooFewSamples);
}

TEST(Dependence, SizesThatDoNotFitAndNumbersThatAreNoneHaveNoValue) {
  const std::vector<double> two = {-3, -5}, bad = {-3, NAN};
  const std::vector<int64_t> tokens = {2, 3};
  AnswerLikelihoods items{two, two, Rows(two.data(), 1, 2), tokens, {}, {}};
  EXPECT_EQ(media_dependence(items).win_rate_swapped.reason, Reason::kShapeMismatch);
  items.swapped = Rows(bad.data(), 2, 1);
  EXPECT_EQ(media_dependence(items).win_rate_swapped.reason, Reason::kNonFinite);
  EXPECT_EQ(media_dependence(items).remarks.non_finite_rows, 1);
}

}  // namespace
}  // namespace isthmus::alignment
