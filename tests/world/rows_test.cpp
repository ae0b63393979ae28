#include "world/rows.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "world/words.h"

namespace isthmus::world {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (const auto word : split_words(text)) words.emplace_back(word);
  return words;
}

TEST(Rows, AreTheSameWhateverWasDrawnBefore) {
  const Row late = text_row(3, 500);
  for (uint64_t i = 0; i < 10; ++i) text_row(3, i);
  EXPECT_EQ(text_row(3, 500).text(), late.text());
  EXPECT_NE(text_row(3, 501).text(), late.text());
}

TEST(Rows, FitAndKnowTheirWordsInTheUsualShares) {
  const auto list = vocabulary();
  const std::set<std::string> known(list.begin(), list.end());
  std::map<std::string_view, int> kinds;
  std::map<std::string_view, size_t> longest;
  constexpr int kRows = 6000;
  for (uint64_t i = 0; i < kRows; ++i) {
    const Row row = text_row(1, i);
    ++kinds[row.kind];
    const auto words = words_of(row.text());
    ASSERT_EQ(words.size(), row.num_words());
    ASSERT_LE(words.size(), 71u);  // and <bos>
    longest[row.kind] = std::max(longest[row.kind], words.size());
    for (const auto& word : words) ASSERT_TRUE(known.contains(word)) << row.text();
    double weight = 0;
    for (const Span& span : row.spans) weight += span.weight;
    ASSERT_GT(weight, 0) << row.text();
  }
  const double whole = kRows / 11.5;
  EXPECT_NEAR(kinds["scene"], 5 * whole, 200);
  EXPECT_NEAR(kinds["modality"], .5 * whole, 70);
  EXPECT_NEAR(kinds["lookup"], 2 * whole, 150);
  EXPECT_NEAR(kinds["naming"], 3 * whole, 160);
  EXPECT_NEAR(kinds["task"], whole, 110);
  for (const auto& [kind, words] : longest) EXPECT_GE(words, 66u) << kind;
}

TEST(SceneRow, WeighsAnswersFarAboveDescriptions) {
  Dice dice(2);
  const Row row = scene_row(dice);
  ASSERT_GE(row.spans.size(), 6u);
  EXPECT_EQ(row.spans[0].text, "<img>");
  EXPECT_EQ(row.spans[0].weight, 0);
  EXPECT_EQ(row.spans[1].weight, .05);
  EXPECT_EQ(row.spans[2].text, "<sep>");
  int answers = 0;
  for (size_t i = 3; i + 1 < row.spans.size(); ++i)
    if (row.spans[i].weight == 1) {
      ++answers;
      EXPECT_EQ(row.spans[i - 1].weight, .05);
      EXPECT_EQ(row.spans[i + 1].text, ".");
      EXPECT_EQ(row.spans[i + 1].weight, .1);
    }
  EXPECT_GE(answers, 1);
}

TEST(LookupRow, OnlyRepeatedValuesCount) {
  Dice dice(5);
  for (int i = 0; i < 50; ++i) {
    const Row row = lookup_row(dice);
    std::map<std::string, std::string> values;
    for (size_t at = 0; at < row.spans.size(); at += 3) {
      const auto found = values.find(row.spans[at].text);
      EXPECT_EQ(row.spans[at + 1].weight, found == values.end() ? 0 : 1);
      if (found != values.end()) {
        EXPECT_EQ(found->second, row.spans[at + 1].text);
      }
      values[row.spans[at].text] = row.spans[at + 1].text;
    }
  }
}

TEST(NamingRow, NamesFollowTheirClassAndAreRedrawnPerRow) {
  Dice dice(6);
  std::set<std::string> first_names;
  for (int i = 0; i < 300; ++i) {
    const NamingOptions naming{static_cast<NameClass>(i % 3), 2 + i % 3, NameForm::kBare};
    const Row row = naming_row(dice, naming);
    std::map<std::string, std::string> meaning;
    EXPECT_EQ(row.names.size(), static_cast<size_t>(naming.ways));
    first_names.insert(row.names[0]);
    for (size_t at = 0; at < row.spans.size(); at += 3) {
      const auto words = words_of(row.spans[at].text);  // <img> red cube is
      ASSERT_EQ(words.size(), 4u);
      const std::string key = naming.of == NameClass::kColour  ? words[1]
                              : naming.of == NameClass::kShape ? words[2]
                                                               : words[1] + words[2];
      const std::string& name = row.spans[at + 1].text;
      EXPECT_EQ(row.spans[at + 1].weight, meaning.contains(key) ? 1 : .02);
      EXPECT_TRUE(!meaning.contains(key) || meaning[key] == name);
      meaning[key] = name;
    }
  }
  EXPECT_EQ(first_names.size(), 16u);
}

TEST(NamingRow, ShotsAreBalancedAndTheQueryIsNot) {
  Dice dice(7);
  std::map<size_t, int> asked;
  for (int i = 0; i < 600; ++i) {
    const Row row = naming_row(dice, {NameClass::kObject, 2, NameForm::kArticle, 4});
    ASSERT_EQ(row.spans.size(), 15u);
    std::map<std::string, int> shown;
    for (size_t at = 0; at < 12; at += 3) ++shown[row.spans[at + 1].text];
    EXPECT_EQ(shown[row.names[0]], 2);
    EXPECT_EQ(shown[row.names[1]], 2);
    ++asked[row.spans[13].text == row.names[0] ? 0 : 1];
  }
  EXPECT_NEAR(asked[0], 300, 60);
}

TEST(TaskRow, AnswersShareOneAttribute) {
  EXPECT_EQ(all_tasks(1).size(), 4u);
  EXPECT_EQ(all_tasks(2).size(), 6u);
  Dice dice(8);
  const Task task{2, 1, Attribute::kShape};
  const Row row = task_row(dice, task, 3);
  ASSERT_EQ(row.spans.size(), 12u);
  EXPECT_EQ(row.spans[1].weight, .1);
  EXPECT_EQ(row.spans[4].weight, 1);
  for (size_t at = 0; at < row.spans.size(); at += 3) {
    // … and a red cube at the left <sep>
    const auto words = words_of(row.spans[at].text);
    EXPECT_EQ(words[words.size() - 5], row.spans[at + 1].text) << row.spans[at].text;
  }
}

TEST(QuestionRow, HasOneAnswerThatCounts) {
  Dice dice(9);
  for (size_t kind = 0; kind < kNumAsks; ++kind) {
    const Row row = question_row(dice, static_cast<Ask>(kind), 3);
    EXPECT_EQ(row.kind, name_of(static_cast<Ask>(kind)));
    EXPECT_EQ(std::count_if(row.spans.begin(), row.spans.end(),
                            [](const Span& span) { return span.weight == 1; }),
              1);
  }
}

}  // namespace
}  // namespace isthmus::world
