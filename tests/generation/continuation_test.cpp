#include "generation/continuation.h"

#include <cmath>

#include <gtest/gtest.h>

#include "generation/loops.h"
#include "isthmus/error.h"

namespace isthmus::generation {
namespace {

// A model that wants to say a fixed sequence of tokens out of ten.
class Script : public Decoder {
 public:
  explicit Script(std::vector<int64_t> tokens) : tokens_(std::move(tokens)) {}
  std::span<const float> step(std::span<const int64_t> tokens) override {
    received.insert(received.end(), tokens.begin(), tokens.end());
    logits_.assign(10, 0.0F);
    logits_[static_cast<size_t>(tokens_[received.size() % tokens_.size()])] = 5;
    return logits_;
  }
  std::vector<int64_t> received;

 private:
  std::vector<int64_t> tokens_;
  std::vector<float> logits_;
};

Generated say(std::vector<int64_t> tokens, const GenerationConfig& config,
              StopStringMatcher matcher = {}, const TokenCallback& on_token = {}) {
  Script script(std::move(tokens));
  Continuation continuation(config, std::vector<int64_t>{2}, std::vector<int64_t>{1},
                            std::move(matcher));
  return generate(script, continuation, on_token);
}

TEST(Generate, EndsWithTheEndTokenAndKeepsIt) {
  const Generated answer = say({5, 6, 2, 7}, {});
  EXPECT_EQ(answer.tokens, (std::vector<int64_t>{5, 6, 2}));
  EXPECT_EQ(answer.finish_reason, FinishReason::kEos);
}

TEST(Generate, FeedsEachTokenBackOnce) {
  Script script({5, 6, 2});
  Continuation continuation({}, std::vector<int64_t>{2}, {});
  generate(script, continuation);
  EXPECT_EQ(script.received, (std::vector<int64_t>{5, 6}));
}

TEST(Generate, StopsAtTheRequestsIds) {
  GenerationConfig config;
  config.stop_ids = {6};
  const Generated answer = say({5, 6, 2}, config);
  EXPECT_EQ(answer.tokens, (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
}

TEST(Generate, AsksTheMatcherForStopStrings) {
  std::vector<int64_t> told;
  const Generated answer = say({5, 6, 7, 2}, {}, [&](int64_t token) {
    told.push_back(token);
    return token == 7;
  });
  EXPECT_EQ(told, (std::vector<int64_t>{5, 6, 7}));
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
}

TEST(Generate, StopsAtTheLength) {
  GenerationConfig config;
  config.max_new_tokens = 4;
  const Generated answer = say({5}, config);
  EXPECT_EQ(answer.tokens.size(), 4U);
  EXPECT_EQ(answer.finish_reason, FinishReason::kLength);
}

TEST(Generate, AnEndTokenAtTheLastPlaceIsAnEnd) {
  GenerationConfig config;
  config.max_new_tokens = 2;
  EXPECT_EQ(say({5, 2}, config).finish_reason, FinishReason::kEos);
}

TEST(Generate, DoesNotEndBeforeTheMinimum) {
  GenerationConfig config;
  config.max_new_tokens = 8;
  config.min_new_tokens = 3;
  const Generated answer = say({2}, config);
  ASSERT_EQ(answer.tokens.size(), 4U);
  EXPECT_EQ(answer.tokens.back(), 2);
}

TEST(Generate, RepetitionPenaltySeesTheTokensBeforeAndTheNewOnes) {
  GenerationConfig config;
  config.max_new_tokens = 3;
  config.repetition_penalty = 100;  // 5 / 100 is still above 0, so make the rest attractive too
  Script script({1});
  Continuation continuation(config, std::vector<int64_t>{2}, std::vector<int64_t>{1});
  std::vector<float> logits(10, 4.0F);
  logits[1] = 5;
  EXPECT_EQ(continuation.extend(logits), 0);  // 1 was seen in front
  EXPECT_EQ(continuation.extend(logits), 2);  // and 0 was just said
}

TEST(Generate, ACallbackCancels) {
  int calls = 0;
  const Generated answer = say({5}, {}, {}, [&](int64_t) { return ++calls < 3; });
  EXPECT_EQ(answer.tokens.size(), 3U);
  EXPECT_EQ(answer.finish_reason, FinishReason::kCancelled);
}

TEST(Generate, ABrokenModelIsAnError) {
  Continuation continuation({}, {}, {});
  EXPECT_THROW(continuation.extend(std::vector<float>{std::nanf(""), 0}), ModelError);
}

TEST(FinishReason, HasTheNamesOfTheApi) {
  EXPECT_EQ(name_of(FinishReason::kEos), "eos");
  EXPECT_EQ(name_of(FinishReason::kStop), "stop");
  EXPECT_EQ(name_of(FinishReason::kLength), "length");
  EXPECT_EQ(name_of(FinishReason::kCancelled), "cancelled");
}

}  // namespace
}  // namespace isthmus::generation
