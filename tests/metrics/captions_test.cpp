#include "metrics/captions.h"

#include "base/rng.h"
#include "metrics/bleu.h"
#include "metrics/cider.h"
#include "metrics/metrics_testing.h"
#include "metrics/rouge_l.h"
#include "metrics/words.h"

namespace isthmus::metrics {
namespace {

std::vector<CaptionItem> golden_items(const nlohmann::json& expect) {
  std::vector<CaptionItem> items;
  for (const auto& item : expect["items"])
    items.push_back(
        tokenize_captions(item["hypothesis"].get<std::string>(),
                          item["references"].get<std::vector<std::string>>()));
  return items;
}

// Captions of awkward lengths, tokenised; the values below are those of pycocoevalcap 1.2.
const std::vector<CaptionItem> kAwkward = {
    {"a dog runs on the grass", {"a dog is running on grass", "the dog runs"}},
    {"", {"a cat", "two cats sleep"}},
    {"the the the the the", {"the cat is on the mat", "there is a cat on the mat"}},
    {"a 1\xC2\xA0" "1/2 cup", {"1\xC2\xA0" "1/2 cup of tea"}},
    {"x", {""}},
    {"", {""}}};

TEST(Cider, EqualsTheGoldenScoreOfEveryImage) {
  const nlohmann::json expect = expect_of("metric_cider");
  const CiderScore score = cider_d(golden_items(expect));
  ASSERT_EQ(score.per_image.size(), expect["per_image"].size());
  for (size_t i = 0; i < score.per_image.size(); ++i)
    EXPECT_NEAR(score.per_image[i], expect["per_image"][i].get<double>(), 1e-6) << "image " << i;
  EXPECT_NEAR(score.corpus, expect["cider"].get<double>(), 1e-6);
}

TEST(Cider, EqualsTheReferenceOnAwkwardCaptions) {
  const CiderScore score = cider_d(kAwkward);
  const std::vector<double> expected = {2.26884483, 0, 0.39317027, 4.29386909, 0, 0};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(score.per_image[i], expected[i], 1e-8) << "image " << i;
  EXPECT_NEAR(score.corpus, 1.1593140334474523, 1e-12);
}

TEST(Cider, OneImageAloneScoresZero) {
  const CiderScore score = cider_d(std::vector<CaptionItem>{{"a dog", {"a dog"}}});
  EXPECT_EQ(score.corpus, 0);
}

TEST(Cider, OrderOfTheImagesDoesNotMatter) {
  std::vector<CaptionItem> items = golden_items(expect_of("metric_cider"));
  const CiderScore forward = cider_d(items);
  std::reverse(items.begin(), items.end());
  const CiderScore backward = cider_d(items);
  for (size_t i = 0; i < items.size(); ++i)
    EXPECT_NEAR(forward.per_image[i], backward.per_image[items.size() - 1 - i], 1e-12);
}

TEST(Bleu, EqualsTheGoldenCorpusScores) {
  const nlohmann::json expect = expect_of("metric_cider");
  const Bleu bleu = bleu_of(bleu_counts(golden_items(expect)));
  for (size_t n = 0; n < kMaxNgram; ++n)
    EXPECT_NEAR(bleu[n], expect["bleu"][n].get<double>(), 1e-9) << "BLEU-" << n + 1;
}

TEST(Bleu, EqualsTheReferenceOnAwkwardCaptions) {
  const std::vector<BleuCounts> counts = bleu_counts(kAwkward);
  const Bleu expected = {0.5699575186777807, 0.3968674753788817, 0.24389679723928478,
                         3.762783288652297e-05};
  const Bleu bleu = bleu_of(counts);
  for (size_t n = 0; n < kMaxNgram; ++n) EXPECT_NEAR(bleu[n], expected[n], 1e-12);

  const std::vector<Bleu> per_image = {
      {0.9999999996666668, 0.6324555318123166, 4.64158883188508e-06, 1.3512001542609246e-08},
      {0, 0, 0, 0},
      {0.32749230110019606, 8.187307527300217e-09, 2.6349195019415627e-11, 1.6542581798880383e-12},
      {0.5841005870115037, 0.5506953146048907, 0.4906137498333178, 9.792901389423636e-05},
      {9.99999999e-16, 3.1622776585872405e-11, 9.999999996666678e-10, 5.623413250497637e-09}};
  for (size_t i = 0; i < per_image.size(); ++i) {
    const Bleu own = bleu_of(std::span(counts).subspan(i, 1));
    for (size_t n = 0; n < kMaxNgram; ++n)
      EXPECT_NEAR(own[n], per_image[i][n], 1e-12) << "image " << i << " BLEU-" << n + 1;
  }
}

TEST(RougeL, EqualsTheGoldenScore) {
  const nlohmann::json expect = expect_of("metric_cider");
  EXPECT_NEAR(rouge_l(golden_items(expect)).corpus, expect["rouge_l"].get<double>(), 1e-12);
}

TEST(RougeL, EqualsTheReferenceOnAwkwardCaptions) {
  const RougeScore score = rouge_l(kAwkward);
  const std::vector<double> expected = {0.6666666666666666, 0, 0.3577712609970674,
                                        0.5570776255707762, 0, 1};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(score.per_image[i], expected[i], 1e-12) << "image " << i;
}

TEST(Captions, LinesOfTenThousandWordsAreScored) {
  std::string line;
  Rng rng(5);
  for (int i = 0; i < 10'000; ++i)
    line.append("w").append(std::to_string(rng.next() % 500)).append(" ");
  const std::vector<CaptionItem> items = {tokenize_captions(line, std::vector{line}),
                                          tokenize_captions("a", std::vector<std::string>{"b"})};
  EXPECT_NEAR(cider_d(items).per_image[0], 10, 1e-9);
  EXPECT_NEAR(bleu_of(bleu_counts(items))[3], 1, 1e-3);
  EXPECT_NEAR(rouge_l(items).per_image[0], 1, 1e-12);
}

TEST(Captions, NothingToJudgeIsAnError) {
  EXPECT_EQ(message_of<UsageError>([] { cider_d({}); }), "CIDEr: there is no caption to judge");
  EXPECT_EQ(message_of<UsageError>([] { bleu_counts({}); }), "BLEU: there is no caption to judge");
  EXPECT_EQ(message_of<UsageError>([] { rouge_l({}); }), "ROUGE-L: there is no caption to judge");
}

TEST(Captions, AnItemWithoutReferenceIsNamed) {
  const std::vector<CaptionItem> items = {{"a", {"a"}}, {"b", {}}};
  EXPECT_EQ(message_of<InputError>([&] { cider_d(items); }),
            "CIDEr: item 1 of 2 has no reference caption, expected at least one");
}

TEST(Words, AreCutAsPythonCutsThem) {
  const std::string text = " a\xC2\xA0" "b\xE3\x80\x80\xE2\x80\x8B" "c\t\n";
  EXPECT_EQ(split_white_space(text),
            (std::vector<std::string_view>{"a", "b", "\xE2\x80\x8B" "c"}));
  EXPECT_EQ(split_spaces(" a  b"), (std::vector<std::string_view>{"", "a", "", "b"}));
  EXPECT_EQ(split_spaces(""), (std::vector<std::string_view>{""}));
  EXPECT_EQ(strip("\xC2\x85 a b \x1f"), "a b");
  EXPECT_EQ(strip(" \n"), "");
}

}  // namespace
}  // namespace isthmus::metrics
