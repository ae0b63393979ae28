#include "protocol/anthropic.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

const char* const kPlain = R"({"max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]})";

TEST(Anthropic, ReadsAMessage) {
  const auto exchange = opened(open_messages, R"({"model": "onellm", "max_tokens": 8,
    "system": [{"type": "text", "text": "Be brief"}], "temperature": 0, "top_k": 5,
    "stop_sequences": ["END"], "metadata": {"user_id": "u"},
    "messages": [{"role": "user", "content": [
      {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
      {"type": "text", "text": "What?", "cache_control": {"type": "ephemeral"}}]}]})");
  const Request& request = exchange->questions.front().request;
  ASSERT_EQ(request.messages.size(), 2u);
  EXPECT_EQ(request.messages[0].role, "system");
  EXPECT_EQ(request.messages[1].content[0].data.size(), 3u);
  EXPECT_EQ(request.generate.max_new_tokens, 8);
  EXPECT_EQ(request.generate.top_k, 5);
  EXPECT_EQ(request.generate.stop, std::vector<std::string>{"END"});
}

TEST(Anthropic, WritesAMessage) {
  const auto exchange = opened(open_messages, kPlain);
  take_all(*exchange, hello());
  const Json body = exchange->whole();
  EXPECT_EQ(body["id"], "msg_id1");
  EXPECT_EQ(body["type"], "message");
  EXPECT_EQ(body["content"][0]["text"], "Hello");
  EXPECT_EQ(body["stop_reason"], "end_turn");
  EXPECT_TRUE(body["stop_sequence"].is_null());
  EXPECT_EQ(body["usage"]["input_tokens"], 8);  // those of the cache stand beside them
  EXPECT_EQ(body["usage"]["cache_read_input_tokens"], 4);
  EXPECT_EQ(body["usage"]["output_tokens"], 3);
}

TEST(Anthropic, TellsWhatStoppedIt) {
  const auto end_of = [](const serving::Finished& end) {
    const auto exchange = opened(open_messages, kPlain);
    take_all(*exchange, {serving::Admitted{1, 0}, end});
    const Json body = exchange->whole();
    return body["stop_reason"].get<std::string>() + "/" + body["stop_sequence"].dump();
  };
  EXPECT_EQ(end_of(finished(0, "length", 1)), "max_tokens/null");
  EXPECT_EQ(end_of(finished(0, "stop", 1)), "end_turn/null");
  EXPECT_EQ(end_of(finished(0, "stop", 1, "END")), "stop_sequence/\"END\"");
}

TEST(Anthropic, StreamsItsSequenceOfEvents) {
  const auto exchange = opened(open_messages, R"({"max_tokens": 8, "stream": true,
    "messages": [{"role": "user", "content": "Hi"}]})");
  const auto events = sse_events(streamed(*exchange, hello()));
  const std::vector<std::string> expected{"message_start",       "ping",
                                          "content_block_start", "content_block_delta",
                                          "content_block_delta", "content_block_stop",
                                          "message_delta",       "message_stop"};
  ASSERT_EQ(events.size(), expected.size());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].name, expected[i]);
    EXPECT_EQ(events[i].json()["type"], expected[i]);
  }
  EXPECT_TRUE(events[0].json()["message"]["content"].empty());
  EXPECT_EQ(events[0].json()["message"]["usage"]["input_tokens"], 8);
  EXPECT_EQ(events[3].json()["delta"]["text"], "Hel");
  EXPECT_EQ(events[6].json()["delta"]["stop_reason"], "end_turn");
  EXPECT_EQ(events[6].json()["usage"]["output_tokens"], 3);
}

TEST(Anthropic, FormsOfAnswers) {
  const auto exchange = opened(open_messages, R"({"max_tokens": 8,
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "integer"}}},
    "messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_EQ(exchange->questions.front().form->text, R"({"type":"integer"})");
}

TEST(Anthropic, WhatIsWrongIsNamed) {
  EXPECT_EQ(complaint(open_messages, R"({"messages": [{"role": "user", "content": "Hi"}]})"),
            "request: max_tokens: missing");
  const auto with = [](const std::string& part) {
    return complaint(
        open_messages,
        R"({"max_tokens": 1, "messages": [{"role": "user", "content": [)" + part + "]}]}");
  };
  EXPECT_EQ(
      with(R"({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}})"),
      "request: messages[0].content[0].source.url: this server fetches nothing; send the file "
      "itself, as \"data:TYPE;base64,…\" or base64");
  EXPECT_EQ(with(R"({"type": "image", "source": {"type": "file", "file_id": "x"}})"),
            "request: messages[0].content[0].source.type: \"file\" is not read here; send the file "
            "itself, as \"base64\"");
  EXPECT_EQ(with(R"({"type": "tool_result", "tool_use_id": "x"})"),
            "request: messages[0].content[0].type: onellm calls no tools");
  EXPECT_EQ(
      with(R"({"type": "document"})"),
      "request: messages[0].content[0].type: documents are not read here; send text and media");
}

TEST(Anthropic, CountsTheSamePrompt) {
  Request request;
  const JsonView body =
      parse_body(R"({"system": "S", "messages": [{"role": "user", "content": "Hi"}]})");
  reading_a_request([&] { request = read_prompt_to_count(body, context()); });
  ASSERT_EQ(request.messages.size(), 2u);
  EXPECT_EQ(request.messages[1].content[0].text, "Hi");
}

TEST(Anthropic, AStreamThatBreaksOffIsAnErrorEvent) {
  const auto exchange = opened(open_messages, kPlain);
  const auto events = sse_events(exchange->broken_off({503, "busy", ""}));
  EXPECT_EQ(events[0].name, "error");
  EXPECT_EQ(events[0].json()["error"]["type"], "overloaded_error");
}

}  // namespace
}  // namespace isthmus::protocol
