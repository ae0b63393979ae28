#include "protocol/body.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"
#include "hostile_files.h"
#include "protocol/anthropic.h"
#include "protocol/failure.h"
#include "protocol/native.h"
#include "protocol/ollama.h"
#include "protocol/openai_chat.h"
#include "protocol/openai_completions.h"
#include "protocol/openai_responses.h"

namespace isthmus::protocol {
namespace {

std::string wrong(const std::string& text) {
  return message_of<UsageError>([&] { parse_body(text); });
}

TEST(Body, IsAnObject) {
  EXPECT_EQ(wrong(""), "request: not valid JSON at byte 1");
  EXPECT_EQ(wrong("{\"a\": }"), "request: not valid JSON at byte 7");
  EXPECT_EQ(wrong("[1]"), "request: expected an object, found array");
  EXPECT_EQ(wrong("null"), "request: expected an object, found nothing");
  EXPECT_EQ(wrong("{\"a\": 1e999}"), "request: not valid JSON: a number is out of range");
}

TEST(Body, IsNotNestedDeep) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(wrong("{\"a\": " + deep), "request: nested more than 64 deep");
}

TEST(Body, TruncatedAndMutatedBodiesAreReadOrRefused) {
  const std::string good =
      R"({"model": "m", "prompt": "a", "input": "b", "stream": true, "n": 2, "max_tokens": 4,
    "temperature": 0.5, "stop": ["x"], "logprobs": true, "top_logprobs": 2, "options": {"num_predict": 3},
    "messages": [{"role": "user", "content": [{"type": "text", "text": "What \u00e9?"},
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}]}]})";
  Mutations mutations(good, good.size(), 11);
  for (int i = 0; i < 4000; ++i) {
    const std::string body = mutations.next();
    for (const Opener open : {open_chat, open_completions, open_responses, open_messages,
                              open_ollama_chat, open_ollama_generate, open_native}) {
      try {
        opened(open, body);
      } catch (const UsageError& error) {
        EXPECT_NE(std::string(error.what()), "");
      } catch (const std::exception& error) {
        FAIL() << error.what() << "\n" << body;
      }
    }
  }
}

TEST(Failure, HasTheShapeOfEachApi) {
  const Failure failure{400, "request: messages[0].role: missing", "messages[0].role"};
  const auto openai = Json::parse(error_body(failure, Dialect::kOpenAi, "id1"));
  EXPECT_EQ(openai["error"]["type"], "invalid_request_error");
  EXPECT_EQ(openai["error"]["param"], "messages[0].role");
  const auto anthropic = Json::parse(error_body(failure, Dialect::kAnthropic, "id1"));
  EXPECT_EQ(anthropic["type"], "error");
  EXPECT_EQ(anthropic["error"]["type"], "invalid_request_error");
  EXPECT_EQ(anthropic["request_id"], "id1");
  const auto ollama = Json::parse(error_body(failure, Dialect::kOllama, "id1"));
  EXPECT_EQ(ollama["error"], failure.message);
}

TEST(Failure, WhatIsNotTheClientsFaultIsNotToldInDetail) {
  const Failure own = failure_of(3, "image 1 of the request: not an image", "id1");
  EXPECT_EQ(own.status, 400);
  EXPECT_EQ(own.message, "image 1 of the request: not an image");
  const Failure field = failure_of(2, "request: temperature: expected 0 to 100, found -1", "id1");
  EXPECT_EQ(field.field, "temperature");
  const Failure ours = failure_of(70, "/secret/path.cpp:12: check failed", "id1");
  EXPECT_EQ(ours.status, 500);
  EXPECT_EQ(ours.message.find("secret"), std::string::npos);
  EXPECT_NE(ours.message.find("id1"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::protocol
