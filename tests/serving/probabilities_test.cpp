#include "serving/probabilities.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "serving_testing.h"

namespace isthmus::serving {
namespace {

std::shared_ptr<const text::Tokenizer> sentencepiece() {
  return text::Tokenizer::load(serving_testing::kDemo / "models/llava-v1.5");
}

TEST(Probabilities, AreThoseOfTheSoftmax) {
  const auto tokenizer = sentencepiece();
  const std::vector<float> logits{1, 3, 2, 3, -1e30f};
  const double sum = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0);
  const Token token = judge(*tokenizer, logits, 2, 3);
  EXPECT_EQ(token.chosen.id, 2);
  EXPECT_NEAR(token.chosen.logprob, std::log(std::exp(2.0) / sum), 1e-6);
  ASSERT_EQ(token.top.size(), 3u);
  EXPECT_EQ(token.top[0].id, 1);  // of equals the lower id
  EXPECT_EQ(token.top[1].id, 3);
  EXPECT_EQ(token.top[2].id, 2);
  EXPECT_NEAR(token.top[0].logprob, std::log(std::exp(3.0) / sum), 1e-6);
  EXPECT_TRUE(judge(*tokenizer, logits, 2, 0).top.empty());
  EXPECT_EQ(judge(*tokenizer, logits, 2, 20).top.size(), 5u);
}

TEST(Probabilities, BytesOfTokensJoinToTheText) {
  for (const char* model : {"llava/llava-v1.5-tabletop", "models/llava-v1.5"}) {
    const auto tokenizer = text::Tokenizer::load(serving_testing::kDemo / model);
    for (const std::string text : {"what is in this picture ?", "a b", "größer", "日本 x"}) {
      std::string joined;
      for (const auto id : tokenizer->encode(text, false)) joined += bytes_of(*tokenizer, id);
      // SentencePiece puts a space before the first word.
      if (joined.starts_with(" ")) joined.erase(0, 1);
      EXPECT_EQ(joined, tokenizer->decode(tokenizer->encode(text, false), false)) << model;
    }
  }
}

TEST(Probabilities, PartsOfCharactersAreBytes) {
  const auto tokenizer = text::Tokenizer::load(std::filesystem::path(ISTHMUS_FIXTURES) /
                                               "openflamingo/tokenizer_neox/model");
  const std::string text = "naïve 日本 🎈";
  std::string joined;
  for (const auto id : tokenizer->encode(text, false)) joined += bytes_of(*tokenizer, id);
  EXPECT_EQ(joined, text);
}

TEST(Probabilities, UnknownIdsHaveNoBytes) {
  EXPECT_EQ(bytes_of(*sentencepiece(), -1), "");
  EXPECT_EQ(bytes_of(*sentencepiece(), 1 << 20), "");
}

}  // namespace
}  // namespace isthmus::serving
