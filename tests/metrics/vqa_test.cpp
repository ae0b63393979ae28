#include "metrics/metrics_testing.h"
#include "metrics/vqa_accuracy.h"
#include "metrics/vqa_answer.h"

namespace isthmus::metrics {
namespace {

TEST(VqaAnswer, EqualsTheGoldenStages) {
  const nlohmann::json expect = expect_of("metric_vqa");
  for (const auto& row : expect["normalisation"]) {
    const std::string punctuation =
        strip_vqa_punctuation(trim_vqa_answer(row["text"].get<std::string>()));
    EXPECT_EQ(punctuation, row["punct"]) << row["text"];
    EXPECT_EQ(normalize_vqa_words(punctuation), row["final"]) << row["text"];
  }
}

TEST(VqaAnswer, IsCutOutOfAGenerationAsInTheGolden) {
  const nlohmann::json expect = expect_of("metric_vqa");
  for (const auto& row : expect["postprocess_vqa"])
    EXPECT_EQ(extract_vqa_answer(row["text"].get<std::string>()), row["out"]) << row["text"];
  for (const auto& row : expect["postprocess_caption"])
    EXPECT_EQ(extract_caption(row["text"].get<std::string>()), row["out"]) << row["text"];
}

TEST(VqaAnswer, ContractionsLackExactlyOneApostrophe) {
  EXPECT_EQ(normalize_vqa_words("couldnt've couldn'tve couldntve"),
            "couldn't've couldn't've couldntve");
  EXPECT_EQ(normalize_vqa_words("yall'd've y'alld've y'all'dve yalldve"),
            "y'all'd've y'all'd've y'all'd've yalldve");
  EXPECT_EQ(normalize_vqa_words("ow's'at twas hes shes Im"), "'ow's'at 'twas he's shes im");
}

TEST(VqaAnswer, OnlyTheFirst32PeriodsGo) {
  const std::string marks(40, '.');
  EXPECT_EQ(strip_vqa_punctuation(marks), std::string(8, '.'));
}

TEST(VqaAnswer, HostileBytesPassThrough) {
  EXPECT_EQ(normalize_vqa_answer(""), "");
  EXPECT_EQ(normalize_vqa_answer("ÉTÉ\xC2\xA0the"), "été");
  EXPECT_EQ(normalize_vqa_answer("a\xFF"), "a\xEF\xBF\xBD");
}

TEST(VqaAccuracy, EqualsTheGoldenScores) {
  const nlohmann::json expect = expect_of("metric_vqa");
  std::vector<VqaItem> items;
  for (const auto& row : expect["per_question"])
    items.push_back({row["prediction"], row["answers"], row["answer_type"]});
  const VqaScore score = vqa_accuracy(items, VqaRule::kAlwaysNormalize);
  for (size_t i = 0; i < items.size(); ++i)
    EXPECT_EQ(score.per_question[i], expect["per_question"][i]["accuracy"].get<double>())
        << "question " << i;
  EXPECT_EQ(score.overall, expect["overall"].get<double>());
  EXPECT_EQ(score.per_answer_type.size(), expect["per_answer_type"].size());
  for (const auto& [type, accuracy] : score.per_answer_type)
    EXPECT_EQ(accuracy, expect["per_answer_type"][type].get<double>()) << type;
}

TEST(VqaAccuracy, TheChallengeComparesUnanimousAnswersAsTheyAre) {
  const std::vector<VqaItem> items = {{"2", std::vector<std::string>(10, "two"), ""}};
  EXPECT_EQ(vqa_accuracy(items, VqaRule::kAlwaysNormalize).overall, 100);
  EXPECT_EQ(vqa_accuracy(items, VqaRule::kNormalizeUnlessAllAgree).overall, 0);
}

TEST(VqaAccuracy, CountsTheOtherAnnotators) {
  std::vector<std::string> answers(10, "no");
  for (size_t i = 0; i < 3; ++i) answers[i] = "yes";
  const std::vector<VqaItem> items = {{"Yes", answers, "yes/no"}};
  const VqaScore score = vqa_accuracy(items, VqaRule::kAlwaysNormalize);
  EXPECT_NEAR(score.accuracies[0], 0.9, 1e-15);  // 3 of 10 see only two others
  EXPECT_EQ(score.overall, 90);
  const std::vector<VqaItem> alone = {{"yes", {"yes"}, ""}};
  EXPECT_EQ(vqa_accuracy(alone, VqaRule::kAlwaysNormalize).overall, 0);
}

TEST(VqaAccuracy, NothingToJudgeIsAnError) {
  EXPECT_EQ(message_of<UsageError>([] { vqa_accuracy({}, VqaRule::kAlwaysNormalize); }),
            "VQA accuracy: there is no answer to judge");
  const std::vector<VqaItem> items = {{"yes", {}, ""}};
  EXPECT_EQ(message_of<InputError>([&] { vqa_accuracy(items, VqaRule::kAlwaysNormalize); }),
            "VQA accuracy: item 0 of 1 has no annotated answer, expected at least one");
}

}  // namespace
}  // namespace isthmus::metrics
