#include "protocol/openai_completions.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

TEST(OpenAiCompletions, APromptIsLiteral) {
  const auto exchange = opened(open_completions, R"({"prompt": "Once <image>", "max_tokens": 5})");
  const Request& request = exchange->questions.front().request;
  ASSERT_EQ(request.prompt.size(), 1u);
  EXPECT_EQ(request.prompt[0].type, Part::Type::kText);
  EXPECT_TRUE(request.messages.empty());
  EXPECT_EQ(request.generate.max_new_tokens, 5);
  EXPECT_EQ(opened(open_completions, R"({"prompt": "x"})")
                ->questions.front()
                .request.generate.max_new_tokens,
            16);
}

TEST(OpenAiCompletions, PartsInterleaveMediaTextAndTokens) {
  const auto exchange = opened(open_completions, R"({"prompt": [
    {"type": "image", "data": "QUJD"}, {"type": "text", "text": "Output: a cat"},
    {"type": "token", "text": "<|endofchunk|>"}, {"type": "image", "data": "QUJD"},
    {"type": "text", "text": "Output:"}]})");
  const auto& prompt = exchange->questions.front().request.prompt;
  ASSERT_EQ(prompt.size(), 5u);
  EXPECT_EQ(prompt[0].type, Part::Type::kMedia);
  EXPECT_EQ(prompt[2].type, Part::Type::kToken);
}

TEST(OpenAiCompletions, SeveralPromptsAreSeveralQuestions) {
  const auto exchange = opened(open_completions, R"({"prompt": ["a", "b"], "n": 2})");
  ASSERT_EQ(exchange->questions.size(), 2u);
  ASSERT_EQ(exchange->answers().size(), 4u);
  exchange->take(0, serving::Admitted{1, 0});
  exchange->take(0, serving::Piece{1, "A1", {}});
  exchange->take(0, finished(0, "eos", 1));
  exchange->take(0, finished(1, "eos", 1));
  exchange->take(1, serving::Admitted{2, 0});
  exchange->take(1, serving::Piece{0, "B0", {}});
  exchange->take(1, finished(0, "length", 1));
  exchange->take(1, finished(1, "eos", 1));
  const Json body = exchange->whole();
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["choices"][1]["text"], "A1");
  EXPECT_EQ(body["choices"][2]["text"], "B0");
  EXPECT_EQ(body["choices"][2]["finish_reason"], "length");
  EXPECT_EQ(body["choices"][2]["index"], 2);
  EXPECT_EQ(body["usage"]["prompt_tokens"], 3);
}

TEST(OpenAiCompletions, ProbabilitiesAreParallelLists) {
  const auto exchange = opened(open_completions, R"({"prompt": "a", "logprobs": 2})");
  take_all(*exchange,
           {serving::Admitted{1, 0}, serving::Piece{0, " a", two_tokens()}, finished(0, "eos", 2)});
  const Json logprobs = exchange->whole()["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"][0], " a");
  EXPECT_EQ(logprobs["token_logprobs"], Json({-0.5, -0.25}));
  EXPECT_EQ(logprobs["top_logprobs"][0][" b"], -1.5);
  EXPECT_EQ(logprobs["text_offset"], Json({0, 2}));
}

TEST(OpenAiCompletions, StreamsText) {
  const auto exchange = opened(open_completions, R"({"prompt": "a", "stream": true})");
  const auto events = sse_events(streamed(*exchange, hello()));
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].json()["choices"][0]["text"], "Hel");
  EXPECT_EQ(events[2].json()["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events[3].data, "[DONE]");
}

TEST(OpenAiCompletions, PromptsAreIdsOfTokensToo) {
  const auto one = opened(open_completions, R"({"prompt": [1, 15043, 2]})");
  ASSERT_EQ(one->questions.size(), 1u);
  EXPECT_EQ(one->questions[0].request.prompt_ids, (std::vector<int64_t>{1, 15043, 2}));
  EXPECT_TRUE(one->questions[0].request.prompt.empty());
  const auto several = opened(open_completions, R"({"prompt": [[1, 2], [3]]})");
  ASSERT_EQ(several->questions.size(), 2u);
  EXPECT_EQ(several->questions[1].request.prompt_ids, (std::vector<int64_t>{3}));
}

TEST(OpenAiCompletions, TextsAreWrittenBackBeforeTheirAnswers) {
  const auto whole =
      opened(open_completions, R"({"prompt": ["One ", "Two "], "n": 2, "echo": true})");
  for (const size_t question : {0, 1})
    for (const int64_t answer : {0, 1}) {
      whole->take(question, serving::Piece{answer, "x", {}});
      whole->take(question, finished(answer, "eos", 1));
    }
  const Json choices = whole->whole()["choices"];
  EXPECT_EQ(choices[1]["text"], "One x");
  EXPECT_EQ(choices[2]["text"], "Two x");
  const auto stream =
      opened(open_completions, R"({"prompt": "Say ", "echo": true, "stream": true})");
  const auto events = sse_events(streamed(*stream, hello()));
  EXPECT_EQ(events[0].json()["choices"][0]["text"], "Say ");
  EXPECT_EQ(events[1].json()["choices"][0]["text"], "Hel");
}

TEST(OpenAiCompletions, WhatIsNotDoneIsRefused) {
  EXPECT_EQ(complaint(open_completions, R"({"prompt": [1, "a"]})"),
            "request: prompt[1]: expected an integer, found \"a\" (a string)");
  EXPECT_EQ(complaint(open_completions, R"({"prompt": [[1], []]})"),
            "request: prompt[1]: is empty");
  EXPECT_EQ(complaint(open_completions, R"({"prompt": [1], "echo": true})"),
            "request: echo: is done of texts alone, not of lists of token ids");
  EXPECT_EQ(complaint(open_completions,
                      R"({"prompt": [{"type": "image", "data": "QUJD"}], "echo": true})"),
            "request: echo: is done of texts alone, not of media and tokens");
  EXPECT_EQ(complaint(open_completions, R"({"prompt": "a", "echo": true, "logprobs": 1})"),
            "request: echo: tokens of the prompt have no logprobs here; ask without them");
  EXPECT_EQ(complaint(open_completions, R"({"prompt": "a", "suffix": "b"})"),
            "request: suffix: text is not filled in here");
  EXPECT_EQ(complaint(open_completions, R"({"prompt": "a", "best_of": 3})"),
            "request: best_of: only 1 is done here");
  EXPECT_EQ(complaint(open_completions, R"({"prompt": []})"), "request: prompt: is empty");
}

}  // namespace
}  // namespace isthmus::protocol
