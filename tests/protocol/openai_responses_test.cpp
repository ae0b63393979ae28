#include "protocol/openai_responses.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

TEST(OpenAiResponses, ReadsTextAndLists) {
  const auto text = opened(open_responses, R"({"input": "Hi", "instructions": "Be brief"})");
  const auto& messages = text->questions.front().request.messages;
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content[0].text, "Hi");
  const auto list = opened(open_responses, R"({"max_output_tokens": 4, "input": [
    {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,QUJD"},
                                 {"type": "input_text", "text": "What?"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat"}]},
    {"role": "user", "content": "Sure?"}]})");
  const Request& request = list->questions.front().request;
  ASSERT_EQ(request.messages.size(), 3u);
  EXPECT_EQ(request.messages[0].content[0].modality, "image");
  EXPECT_EQ(request.messages[1].content[0].text, "A cat");
  EXPECT_EQ(request.generate.max_new_tokens, 4);
}

TEST(OpenAiResponses, WritesAResponse) {
  const auto exchange = opened(open_responses, R"({"input": "Hi", "metadata": {"k": "v"}})");
  take_all(*exchange, hello());
  const Json body = exchange->whole();
  EXPECT_EQ(body["id"], "resp_id1");
  EXPECT_EQ(body["object"], "response");
  EXPECT_EQ(body["status"], "completed");
  EXPECT_EQ(body["output"][0]["type"], "message");
  EXPECT_EQ(body["output"][0]["content"][0]["text"], "Hello");
  EXPECT_EQ(body["output"][0]["content"][0]["type"], "output_text");
  EXPECT_EQ(body["usage"]["input_tokens"], 12);
  EXPECT_EQ(body["usage"]["output_tokens"], 3);
  EXPECT_EQ(body["metadata"]["k"], "v");
  EXPECT_FALSE(body["store"]);
}

TEST(OpenAiResponses, WhatWasCutIsIncomplete) {
  const auto exchange = opened(open_responses, R"({"input": "Hi"})");
  take_all(*exchange, {serving::Admitted{1, 0}, finished(0, "length", 9)});
  const Json body = exchange->whole();
  EXPECT_EQ(body["status"], "incomplete");
  EXPECT_EQ(body["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(OpenAiResponses, StreamsItsSequenceOfEvents) {
  const auto exchange = opened(open_responses, R"({"input": "Hi", "stream": true})");
  const auto events = sse_events(streamed(*exchange, hello()));
  const std::vector<std::string> expected{
      "response.created",           "response.in_progress",
      "response.output_item.added", "response.content_part.added",
      "response.output_text.delta", "response.output_text.delta",
      "response.output_text.done",  "response.content_part.done",
      "response.output_item.done",  "response.completed"};
  ASSERT_EQ(events.size(), expected.size());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].name, expected[i]);
    EXPECT_EQ(events[i].json()["type"], expected[i]);
    EXPECT_EQ(events[i].json()["sequence_number"], i);
  }
  EXPECT_EQ(events[0].json()["response"]["status"], "in_progress");
  EXPECT_EQ(events[4].json()["delta"], "Hel");
  EXPECT_EQ(events[6].json()["text"], "Hello");
  EXPECT_EQ(events[9].json()["response"]["output"][0]["content"][0]["text"], "Hello");
  EXPECT_EQ(events[9].json()["response"]["usage"]["total_tokens"], 15);
}

TEST(OpenAiResponses, FormsAndProbabilities) {
  const auto exchange = opened(open_responses, R"({"input": "Hi", "top_logprobs": 1,
    "include": ["message.output_text.logprobs"],
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}})");
  EXPECT_EQ(exchange->questions.front().form->text, R"({"type":"object"})");
  EXPECT_EQ(exchange->questions.front().top_logprobs, 1);
  take_all(*exchange,
           {serving::Admitted{1, 0}, serving::Piece{0, " a", two_tokens()}, finished(0, "eos", 2)});
  const Json content = exchange->whole()["output"][0]["content"][0];
  EXPECT_EQ(content["logprobs"][0]["token"], " a");
}

TEST(OpenAiResponses, NothingIsStored) {
  EXPECT_EQ(complaint(open_responses, R"({"input": "a", "previous_response_id": "resp_1"})"),
            "request: previous_response_id: nothing is stored here; send the whole conversation");
  EXPECT_EQ(complaint(open_responses, R"({"input": [{"type": "function_call_output"}]})"),
            "request: input[0].output: missing");
  EXPECT_EQ(complaint(open_responses, R"({"input": [{"type": "item_reference", "id": "msg_1"}]})"),
            "request: input[0].type: \"item_reference\" is not read here; send messages, and calls "
            "of functions");
  EXPECT_NO_THROW(opened(open_responses, R"({"input": "a", "store": true, "tools": []})"));
}

TEST(OpenAiResponses, AStreamThatBreaksOffFails) {
  const auto exchange = opened(open_responses, R"({"input": "a", "stream": true})");
  const auto events = sse_events(exchange->broken_off({500, "it broke", ""}));
  EXPECT_EQ(events[0].name, "response.failed");
  EXPECT_EQ(events[0].json()["response"]["error"]["message"], "it broke");
}

}  // namespace
}  // namespace isthmus::protocol
