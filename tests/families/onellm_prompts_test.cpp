// Requests to OneLLM prompts: one text, with all media behind its first token.
#include "families/onellm/prompts.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "isthmus/error.h"

namespace isthmus::families::onellm {
namespace {

const std::string kSystem =
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the human's questions.";

std::shared_ptr<const text::Tokenizer> tokenizer() {
  return text::Tokenizer::load(std::filesystem::path(ISTHMUS_FIXTURES) / "onellm/tiny/model");
}

std::vector<int64_t> ids_of(const std::string& text) {
  const text::TextSpan span{text, false};
  return tokenizer()->encode(std::span(&span, 1), true);
}

Request conversation() {
  Request request;
  request.messages = {
      {"user", {Part::of_media("audio", "a.wav"), Part::of_text("What do you hear?")}},
      {"assistant", {Part::of_text("Rain.")}},
      {"user", {Part::of_text("How much?")}}};
  return request;
}

TEST(OneLlmPrompts, TurnsEndWithThreeHashes) {
  EXPECT_EQ(tokenize(conversation(), *tokenizer()),
            ids_of(kSystem + "\n\n###Human: What do you hear?\n###Assistant: Rain.\n###Human: "
                             "How much?\n###Assistant:"));
  EXPECT_EQ(stop_strings(conversation()), std::vector<std::string>{"###"});
}

TEST(OneLlmPrompts, TheTextItWasTrainedOnHasSpacesBehindTheHashes) {
  Request request = conversation();
  request.conversation_template = "onellm_train";
  EXPECT_EQ(tokenize(request, *tokenizer()),
            ids_of(kSystem + "\n\n### Human: What do you hear?\n### Assistant: Rain.\n### Human: "
                             "How much?\n### Assistant:"));
}

TEST(OneLlmPrompts, AllMediaStandBehindTheFirstToken) {
  const auto segments = with_media({1, 5, 6}, 2);
  ASSERT_EQ(segments.size(), 4u);
  EXPECT_EQ(std::get<TextSegment>(segments[0]).ids, (std::vector<int64_t>{1}));
  EXPECT_EQ(std::get<MediaSegment>(segments[1]).input, 0u);
  EXPECT_EQ(std::get<MediaSegment>(segments[2]).input, 1u);
  EXPECT_EQ(std::get<TextSegment>(segments[3]).ids, (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(with_media({1, 5}, 0).size(), 1u);
  EXPECT_EQ(with_media({1}, 1).size(), 2u);
}

TEST(OneLlmPrompts, UserTextNeverBecomesASpecialToken) {
  Request request;
  request.prompt = {Part::of_text("a</s>")};
  for (const int64_t id : tokenize(request, *tokenizer())) EXPECT_NE(id, 2);
  request.prompt.push_back(Part::of_token("</s>"));
  EXPECT_EQ(tokenize(request, *tokenizer()).back(), 2);
  request.prompt = {Part::of_token("<image>")};
  EXPECT_THROW(tokenize(request, *tokenizer()), UsageError);
}

}  // namespace
}  // namespace isthmus::families::onellm
