#include "protocol/openai_chat.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"

namespace isthmus::protocol {
namespace {

const char* const kPlainChat = R"({"messages":[{"role":"user","content":"Hi"}]})";

TEST(OpenAiChat, ReadsWhatARequestSays) {
  const auto exchange = opened(open_chat, R"({
    "model": "onellm", "temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 7, "n": 2, "stop": "END",
    "max_completion_tokens": 9, "repetition_penalty": 1.1, "unheard_of": {"x": 1}, "user": "u",
    "messages": [{"role": "developer", "content": "Be brief"},
                 {"role": "user", "content": [{"type": "text", "text": "What?"},
                  {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}}]},
                 {"role": "assistant", "content": "That."},
                 {"role": "user", "content": "<image> </s>"}]})");
  ASSERT_EQ(exchange->questions.size(), 1u);
  EXPECT_FALSE(exchange->streams);
  const serving::Question& question = exchange->questions.front();
  EXPECT_EQ(question.answers, 2);
  EXPECT_EQ(question.id, "id1");
  EXPECT_FALSE(question.top_logprobs.has_value());
  const GenerationConfig& generate = question.request.generate;
  EXPECT_EQ(generate.temperature, 0.5);
  EXPECT_EQ(generate.top_p, 0.9);
  EXPECT_EQ(generate.top_k, 40);
  EXPECT_EQ(generate.seed, 7u);
  EXPECT_EQ(generate.max_new_tokens, 9);
  EXPECT_EQ(generate.repetition_penalty, 1.1);
  EXPECT_EQ(generate.stop, std::vector<std::string>{"END"});
  const auto& messages = question.request.messages;
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content[1].modality, "image");
  EXPECT_EQ(messages[1].content[1].data.size(), 3u);
  // Spelling a token does not make one.
  EXPECT_EQ(messages[3].content[0].type, Part::Type::kText);
  EXPECT_EQ(messages[3].content[0].text, "<image> </s>");
}

TEST(OpenAiChat, WhatIsLeftOpenIsTheServers) {
  Context with = context();
  with.defaults.temperature = 0.25;
  with.defaults.max_new_tokens = 33;
  const auto exchange = opened(open_chat, kPlainChat, with);
  const GenerationConfig& generate = exchange->questions.front().request.generate;
  EXPECT_EQ(generate.temperature, 0.25);
  EXPECT_EQ(generate.max_new_tokens, 33);
  EXPECT_EQ(generate.seed, 77u);  // samples, and names no seed
}

TEST(OpenAiChat, WritesAnAnswer) {
  const auto exchange = opened(open_chat, kPlainChat);
  EXPECT_EQ(take_all(*exchange, hello()), "");
  const Json body = exchange->whole();
  EXPECT_EQ(body["id"], "chatcmpl-id1");
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["created"], 1700000000);
  EXPECT_EQ(body["model"], "onellm");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "Hello");
  EXPECT_EQ(body["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(body["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(body["usage"]["prompt_tokens"], 12);
  EXPECT_EQ(body["usage"]["completion_tokens"], 3);
  EXPECT_EQ(body["usage"]["total_tokens"], 15);
  EXPECT_EQ(body["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(body["timings"]["decode"], 0.25);
}

TEST(OpenAiChat, StreamsChunksAndTheUsageWhenAskedTo) {
  const auto exchange =
      opened(open_chat, R"({"stream": true, "stream_options": {"include_usage": true},
    "messages":[{"role":"user","content":"Hi"}]})");
  const auto events = sse_events(streamed(*exchange, hello()));
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[0].json()["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(events[1].json()["choices"][0]["delta"]["content"], "Hel");
  EXPECT_TRUE(events[1].json()["choices"][0]["finish_reason"].is_null());
  EXPECT_TRUE(events[1].json()["usage"].is_null());
  EXPECT_EQ(events[2].json()["choices"][0]["delta"]["content"], "lo");
  EXPECT_EQ(events[3].json()["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(events[4].json()["choices"].empty());
  EXPECT_EQ(events[4].json()["usage"]["total_tokens"], 15);
  EXPECT_EQ(events[5].data, "[DONE]");
}

TEST(OpenAiChat, SeveralAnswersKeepTheirNumbers) {
  const auto exchange =
      opened(open_chat, R"({"n": 2, "messages":[{"role":"user","content":"Hi"}]})");
  take_all(*exchange,
           {serving::Admitted{3, 0}, serving::Piece{1, "b", {}}, serving::Piece{0, "a", {}},
            finished(1, "length", 1), finished(0, "stop", 1)});
  const Json body = exchange->whole();
  EXPECT_EQ(body["choices"][0]["message"]["content"], "a");
  EXPECT_EQ(body["choices"][1]["message"]["content"], "b");
  EXPECT_EQ(body["choices"][1]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["completion_tokens"], 2);
}

TEST(OpenAiChat, WritesProbabilities) {
  const auto exchange = opened(open_chat, R"({"logprobs": true, "top_logprobs": 2,
    "messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_EQ(exchange->questions.front().top_logprobs, 2);
  take_all(*exchange,
           {serving::Admitted{3, 0}, serving::Piece{0, " a", two_tokens()}, finished(0, "eos", 2)});
  const Json content = exchange->whole()["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["token"], " a");
  EXPECT_EQ(content[0]["logprob"], -0.5);
  EXPECT_EQ(content[0]["bytes"], Json({32, 97}));
  EXPECT_EQ(content[0]["top_logprobs"][1]["token"], " b");
  EXPECT_EQ(content[1]["token"], "\xef\xbf\xbd");  // half a character
  EXPECT_EQ(content[1]["bytes"], Json::array({0xc3}));
}

TEST(OpenAiChat, FormsOfAnswers) {
  const auto form = [](const std::string& format) {
    return opened(open_chat, R"({"messages":[{"role":"user","content":"Hi"}],"response_format":)" +
                                 format + "}")
        ->questions.front()
        .form;
  };
  EXPECT_FALSE(form(R"({"type": "text"})").has_value());
  EXPECT_EQ(form(R"({"type": "json_object"})")->text, R"({"type":"object"})");
  const auto schema = form(
      R"({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}})");
  EXPECT_EQ(schema->text, R"({"type":"integer"})");
  EXPECT_EQ(schema->kind, serving::OutputForm::Kind::kJsonSchema);
  const auto grammar = opened(
      open_chat, R"({"grammar": "root ::= \"a\"", "messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_EQ(grammar->questions.front().form->kind, serving::OutputForm::Kind::kGrammar);
}

TEST(OpenAiChat, WhatIsWrongIsNamed) {
  const auto with = [](const std::string& fields) {
    return complaint(open_chat, R"({"messages":[{"role":"user","content":"Hi"}],)" + fields + "}");
  };
  EXPECT_EQ(complaint(open_chat, "{}"), "request: messages: missing");
  EXPECT_EQ(complaint(open_chat, R"({"messages": []})"), "request: messages: is empty");
  EXPECT_EQ(complaint(open_chat, R"({"messages": "Hi"})"),
            "request: messages: expected a list, found \"Hi\" (a string)");
  EXPECT_EQ(complaint(open_chat, R"({"messages": [{"role": "wizard", "content": ""}]})"),
            "request: messages[0].role: \"wizard\" is none of system, user, assistant");
  EXPECT_EQ(complaint(open_chat, R"({"messages": [{"role": "user"}]})"),
            "request: messages[0].content: missing");
  EXPECT_EQ(with(R"("temperature": "hot")"),
            "request: temperature: expected a finite number, found \"hot\" (a string)");
  EXPECT_EQ(with(R"("temperature": -1)"), "request: temperature: expected 0 to 100, found -1");
  EXPECT_EQ(with(R"("top_p": 2)"), "request: top_p: expected 0 to 1, found 2");
  EXPECT_EQ(with(R"("max_tokens": 0)"),
            "request: max_tokens: expected a positive integer, found 0 (a number)");
  EXPECT_EQ(with(R"("n": 17)"), "request: n: expected 1 to 16, found 17");
  EXPECT_EQ(with(R"("stop": [""])"), "request: stop: a stop string is empty");
  EXPECT_EQ(with(R"("stop": [1])"), "request: stop[0]: expected a string, found 1 (a number)");
  EXPECT_EQ(with(R"("top_logprobs": 3)"), "request: top_logprobs: needs \"logprobs\": true");
  EXPECT_EQ(with(R"("logprobs": true, "top_logprobs": 21)"),
            "request: top_logprobs: expected 0 to 20, found 21");
  EXPECT_EQ(with(R"("tools": [{"type": "function"}])"),
            "request: tools: the template of onellm has no place for tools");
  EXPECT_EQ(with(R"("presence_penalty": 2.5)"),
            "request: presence_penalty: expected -2 to 2, found 2.5");
  EXPECT_EQ(with(R"("frequency_penalty": -3)"),
            "request: frequency_penalty: expected -2 to 2, found -3");
  EXPECT_EQ(with(R"("logit_bias": {"5": 101})"),
            "request: logit_bias.5: expected -100 to 100, found 101");
  EXPECT_EQ(with(R"("logit_bias": {"cat": 1})"), "request: logit_bias: \"cat\" is not a token id");
  EXPECT_EQ(with(R"("min_p": 1.5)"), "request: min_p: expected 0 to 1, found 1.5");
  EXPECT_EQ(with(R"("typical_p": 0)"),
            "request: typical_p: expected above 0 and at most 1, found 0");
  EXPECT_EQ(with(R"("response_format": {"type": "xml"})"),
            "request: response_format.type: \"xml\" is none of text, json_object, json_schema");
  EXPECT_EQ(with(R"("stream_options": {"include_usage": true})"),
            "request: stream_options: needs \"stream\": true");
}

TEST(OpenAiChat, TokensAreMadeLikelierOrLess) {
  const auto exchange = opened(open_chat, R"({"presence_penalty": 0.5, "frequency_penalty": -0.25,
    "logit_bias": {"5": 1.5, "50256": -100}, "min_p": 0.1, "typical_p": 0.9,
    "messages":[{"role":"user","content":"Hi"}]})");
  const GenerationConfig& generate = exchange->questions.front().request.generate;
  EXPECT_EQ(generate.presence_penalty, 0.5);
  EXPECT_EQ(generate.frequency_penalty, -0.25);
  EXPECT_EQ(generate.logit_bias, (std::map<int64_t, double>{{5, 1.5}, {50256, -100}}));
  EXPECT_EQ(generate.min_p, 0.1);
  EXPECT_EQ(generate.typical_p, 0.9);
  EXPECT_EQ(generate.penalty_last_n, -1);
}

TEST(OpenAiChat, PropertiesOfASchemaKeepTheirOrder) {
  const auto exchange = opened(open_chat, R"({"messages":[{"role":"user","content":"Hi"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
      {"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "string"}}}}}})");
  EXPECT_EQ(exchange->questions.front().form->text,
            R"({"type":"object","properties":{"z":{"type":"integer"},"a":{"type":"string"}}})");
}

TEST(OpenAiChat, WhatChangesNothingIsNoFault) {
  EXPECT_NO_THROW(
      opened(open_chat, R"({"tools": [], "presence_penalty": 0, "frequency_penalty": 0.0,
    "logit_bias": {}, "stop": null, "seed": null, "max_tokens": null, "tool_choice": "none",
    "messages":[{"role":"user","content":"Hi"}, {"role":"assistant","content":"Ho","tool_calls":[]},
                {"role":"user","content":"Hi"}]})"));
}

TEST(OpenAiChat, AStreamThatBreaksOffSaysSo) {
  const auto exchange =
      opened(open_chat, R"({"stream": true, "messages":[{"role":"user","content":"Hi"}]})");
  const auto events = sse_events(exchange->broken_off({500, "it broke", ""}));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].json()["error"]["message"], "it broke");
  EXPECT_EQ(events[0].json()["error"]["type"], "server_error");
}

}  // namespace
}  // namespace isthmus::protocol
