// Texts of which every piece has its own weight.
#include "families/documents.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "error_message.h"

namespace isthmus::families {
namespace {

using samples::BadSample;
using samples::Sample;

std::shared_ptr<const text::Tokenizer> tokenizer() {
  return text::Tokenizer::load(std::filesystem::path(ISTHMUS_FIXTURES) /
                               "llava/train_stage1/model/vicuna-tiny");
}

Sample document() {
  Sample sample;
  sample.name = "page";
  sample.document = {Part::of_text("snow on the mountain?"), Part::of_text(" yellow flowers"),
                     Part::of_token("</s>"), Part::of_text("never learnt")};
  sample.weights = {.25f, 1, .5f, 0};
  return sample;
}

// The text that each run of one weight stands for; 0 for what is no target.
std::vector<std::pair<std::string, float>> runs_of(const Example& example,
                                                   const text::Tokenizer& tokenizer) {
  std::vector<std::pair<std::string, float>> runs;
  for (const Segment& segment : example.segments) {
    const auto& text = std::get<TextSegment>(segment);
    runs.emplace_back(tokenizer.decode(text.ids, false), text.is_target ? text.weight : 0);
  }
  return runs;
}

TEST(Documents, EveryTokenHasTheWeightOfItsPart) {
  const auto words = tokenizer();
  const auto runs = runs_of(text_example(document(), *words, 0), *words);
  ASSERT_EQ(runs.size(), 5u);
  EXPECT_EQ(runs[0].second, 0);  // <s>
  EXPECT_EQ(runs[1], std::pair(std::string("snow on the mountain?"), .25f));
  EXPECT_EQ(runs[2], std::pair(std::string("yellow flowers"), 1.0f));
  EXPECT_EQ(runs[3], std::pair(std::string("</s>"), .5f));
  EXPECT_EQ(runs[4].second, 0);
}

TEST(Documents, WithoutWeightsAllIsLearntButWhatStandsInFront) {
  const auto words = tokenizer();
  Sample sample = document();
  sample.weights.clear();
  const Example example = text_example(sample, *words, 0);
  ASSERT_EQ(example.segments.size(), 2u);
  EXPECT_EQ(std::get<TextSegment>(example.segments[0]).ids, std::vector<int64_t>{1});
  EXPECT_FALSE(std::get<TextSegment>(example.segments[0]).is_target);
  EXPECT_EQ(std::get<TextSegment>(example.segments[1]).weight, 1);
}

TEST(Documents, AreCutToTheirLength) {
  const auto words = tokenizer();
  size_t count = 0;
  for (const Segment& segment : text_example(document(), *words, 5).segments)
    count += std::get<TextSegment>(segment).ids.size();
  EXPECT_EQ(count, 5u);
}

TEST(Documents, OwnersAreTheSpansOfTheLastBytes) {
  const auto words = tokenizer();
  // "the" is one token whose last byte is in the second span.
  const std::vector<text::TextSpan> spans = {{"on th", false}, {"e mountain", false}};
  const auto ids = words->encode(spans, true);
  const auto owners = owners_of_tokens(*words, spans, ids);
  ASSERT_EQ(owners.size(), ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string piece = words->piece(ids[i]);
    if (i == 0 || piece == "\xE2\x96\x81on") {
      EXPECT_EQ(owners[i], 0u) << piece;
    }
    if (piece.find("the") != std::string::npos) {
      EXPECT_EQ(owners[i], 1u) << piece;
    }
  }
  EXPECT_EQ(owners.front(), 0u);
  EXPECT_EQ(owners.back(), 1u);
}

TEST(Documents, WhatCannotBeWeighedIsABadSample) {
  const auto words = tokenizer();
  Sample sample = document();
  sample.document[1] = Part::of_text(" \xF0\x9F\x90\x88");  // byte pieces
  EXPECT_NE(message_of<BadSample>([&] {
              text_example(sample, *words, 0);
            }).find("page: this tokenizer does not tell"),
            std::string::npos);
  sample.weights.clear();
  EXPECT_NO_THROW(text_example(sample, *words, 0));
  sample.document[1] = Part::of_image("cat.png");
  EXPECT_NE(message_of<BadSample>([&] { text_example(sample, *words, 0); }).find("holds a medium"),
            std::string::npos);
  sample.document.clear();
  EXPECT_NE(message_of<BadSample>([&] { text_example(sample, *words, 0); }).find("holds no text"),
            std::string::npos);
}

TEST(Documents, AnswersOfAConversationAreWeighedByTurn) {
  Sample sample;
  sample.turns = {{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}};
  sample.weights = {1, 0, 1, .5f};
  std::vector<Segment> segments = {TextSegment{{1}}, TextSegment{{2}, true}, TextSegment{{3}},
                                   TextSegment{{4}, true}};
  weigh_answers(sample, segments);
  EXPECT_FALSE(std::get<TextSegment>(segments[1]).is_target);
  EXPECT_TRUE(std::get<TextSegment>(segments[3]).is_target);
  EXPECT_EQ(std::get<TextSegment>(segments[3]).weight, .5f);
}

}  // namespace
}  // namespace isthmus::families
