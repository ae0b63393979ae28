#include "protocol/tools.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"
#include "protocol/anthropic.h"
#include "protocol/ollama.h"
#include "protocol/openai_chat.h"

namespace isthmus::protocol {
namespace {

using nlohmann::json;

Context chatml() {
  Context with = context();
  with.card.conversation_template = "llava_hf_chatml";
  return with;
}

const std::string kTools = R"("tools": [
  {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters":
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}},
  {"type": "function", "function": {"name": "now"}}])";

std::string chat(const std::string& more,
                 const std::string& messages = R"({"role": "user", "content": "Hi"})") {
  return "{" + kTools + more + R"(, "messages": [)" + messages + "]}";
}

std::string text_of(const Message& message) {
  std::string text;
  for (const Part& part : message.content) text += part.text;
  return text;
}

std::vector<serving::Event> saying(std::vector<std::string> pieces,
                                   const std::string& reason = "eos") {
  std::vector<serving::Event> events{serving::Admitted{12, 4}};
  for (std::string& piece : pieces) events.push_back(serving::Piece{0, std::move(piece), {}});
  events.push_back(finished(0, reason, 3));
  return events;
}

const std::vector<std::string> kSaid{"Let me see.\n<tool", "_call>\n{\"name\": \"weather\", \"argu",
                                     "ments\": {\"city\": \"Oslo\"}}\n</tool_call>\n<tool_call>",
                                     "\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n"};

TEST(Tools, AreToldAsTheTemplateOfQwenTellsThem) {
  const auto exchange = opened(open_chat, chat(""), chatml());
  const auto& messages = exchange->questions[0].request.messages;
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(
      text_of(messages[0]),
      "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
      "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
      "{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"Of a "
      "city.\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": "
      "{\"type\": \"string\"}}, \"required\": [\"city\"]}}}\n"
      "{\"type\": \"function\", \"function\": {\"name\": \"now\", \"parameters\": {\"type\": "
      "\"object\"}}}\n</tools>\n\n"
      "For each function call, return a json object with function name and arguments within "
      "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, "
      "\"arguments\": <args-json-object>}\n</tool_call>");
  EXPECT_FALSE(exchange->questions[0].form);
  const auto spoken = opened(open_chat, chat("", R"({"role": "system", "content": "Be brief."},
                             {"role": "user", "content": "Hi"})"),
                             chatml());
  EXPECT_TRUE(
      text_of(spoken->questions[0].request.messages[0]).starts_with("Be brief.\n\n# Tools"));
}

TEST(Tools, CallsAndResultsStandInTheConversation) {
  const auto exchange = opened(open_chat, chat("", R"(
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": null, "tool_calls": [
      {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}},
      {"id": "b", "type": "function", "function": {"name": "now", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "a", "content": "rain"},
    {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "noon"}]})"),
                               chatml());
  const auto& messages = exchange->questions[0].request.messages;
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(
      text_of(messages[2]),
      "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n"
      "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(messages[3].role, "user");
  EXPECT_EQ(text_of(messages[3]),
            "<tool_response>\nrain\n</tool_response>\n<tool_response>\nnoon\n</tool_response>");
}

TEST(Tools, CallsOfOpenAi) {
  const auto whole = opened(open_chat, chat(""), chatml());
  take_all(*whole, saying(kSaid));
  const Json choice = whole->whole()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "Let me see.");
  EXPECT_EQ(choice["message"]["tool_calls"].size(), 2u);
  EXPECT_EQ(choice["message"]["tool_calls"][0],
            Json({{"id", "call_id1_0_0"},
                  {"type", "function"},
                  {"function", {{"name", "weather"}, {"arguments", R"({"city":"Oslo"})"}}}}));
  EXPECT_EQ(choice["message"]["tool_calls"][1]["function"]["name"], "now");

  const auto stream = opened(open_chat, chat(R"(, "stream": true)"), chatml());
  std::string content, arguments, reason;
  std::vector<std::string> names;
  for (const SseEvent& event : sse_events(streamed(*stream, saying(kSaid)))) {
    if (event.data == "[DONE]") continue;
    const json one = event.json()["choices"][0];
    if (one["delta"].contains("content")) content += one["delta"]["content"];
    for (const json& call : one["delta"].value("tool_calls", json::array())) {
      if (call["function"].contains("name")) names.push_back(call["function"]["name"]);
      if (call["index"] == 0) arguments += call["function"]["arguments"];
    }
    if (one["finish_reason"].is_string()) reason = one["finish_reason"];
  }
  EXPECT_EQ(content, "Let me see.");
  EXPECT_EQ(names, (std::vector<std::string>{"weather", "now"}));
  EXPECT_EQ(arguments, R"({"city":"Oslo"})");
  EXPECT_EQ(reason, "tool_calls");
}

TEST(Tools, CallsOfAnthropic) {
  const std::string body = R"({"max_tokens": 9, "tools": [{"name": "weather", "input_schema":
      {"type": "object", "properties": {"city": {"type": "string"}}}}, {"name": "now"}], "messages": [
      {"role": "user", "content": "Weather?"},
      {"role": "assistant", "content": [{"type": "text", "text": "Well."},
        {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Rome"}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "sun"},
        {"type": "text", "text": "And Oslo?"}]}])";
  const auto whole = opened(open_messages, body + "}", chatml());
  const auto& messages = whole->questions[0].request.messages;
  EXPECT_EQ(text_of(messages[2]),
            "Well.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": "
            "{\"city\": \"Rome\"}}\n</tool_call>");
  EXPECT_EQ(text_of(messages[3]), "<tool_response>\nsun\n</tool_response>And Oslo?");
  take_all(*whole, saying(kSaid));
  const Json message = whole->whole();
  EXPECT_EQ(message["stop_reason"], "tool_use");
  EXPECT_EQ(message["content"][0], Json({{"type", "text"}, {"text", "Let me see."}}));
  EXPECT_EQ(message["content"][1], Json({{"type", "tool_use"},
                                         {"id", "toolu_id1_0"},
                                         {"name", "weather"},
                                         {"input", {{"city", "Oslo"}}}}));

  const auto stream = opened(open_messages, body + R"(, "stream": true})", chatml());
  std::vector<std::string> seen;
  for (const SseEvent& event : sse_events(streamed(*stream, saying(kSaid)))) {
    const json one = event.json();
    std::string line = event.name;
    if (one.contains("index")) line += " " + one["index"].dump();
    if (one.contains("delta") && one["delta"].contains("partial_json"))
      line += " " + one["delta"]["partial_json"].get<std::string>();
    if (event.name != "ping") seen.push_back(line);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{
                      "message_start", "content_block_start 0", "content_block_delta 0",
                      "content_block_stop 0", "content_block_start 1",
                      "content_block_delta 1 {\"city\":\"Oslo\"}", "content_block_stop 1",
                      "content_block_start 2", "content_block_delta 2 {}", "content_block_stop 2",
                      "message_delta", "message_stop"}));
}

TEST(Tools, CallsOfOllama) {
  const auto whole = opened(open_ollama_chat,
                            chat(R"(, "stream": false)",
                                 R"({"role": "user", "content": "Hi"},
         {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "now", "arguments": {}}}]},
         {"role": "tool", "tool_name": "now", "content": "noon"})"),
                            chatml());
  const auto& messages = whole->questions[0].request.messages;
  EXPECT_EQ(text_of(messages[2]),
            "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(text_of(messages[3]), "<tool_response>\nnoon\n</tool_response>");
  take_all(*whole, saying(kSaid));
  const Json message = whole->whole()["message"];
  EXPECT_EQ(message["content"], "Let me see.");
  EXPECT_EQ(message["tool_calls"][0]["function"],
            Json({{"name", "weather"}, {"arguments", {{"city", "Oslo"}}}}));
  const auto stream = opened(open_ollama_chat, chat(""), chatml());
  size_t calls = 0;
  for (const json& line : lines(streamed(*stream, saying(kSaid))))
    calls += line["message"].contains("tool_calls") ? 1 : 0;
  EXPECT_EQ(calls, 2u);
}

TEST(Tools, AForcedCallIsHeldToItsParameters) {
  const auto one = opened(
      open_chat, chat(R"(, "tool_choice": {"type": "function", "function": {"name": "weather"}})"),
      chatml());
  EXPECT_EQ(json::parse(one->questions[0].form->text), json::parse(R"({"type": "object",
    "properties": {"name": {"const": "weather"}, "arguments": {"type": "object",
      "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    "required": ["name", "arguments"], "additionalProperties": false})"));
  take_all(*one, saying({R"({"name": "weather", "argu)", R"(ments": {"city": "Oslo"}})"}, "stop"));
  const Json choice = one->whole()["choices"][0];
  EXPECT_EQ(choice["message"]["content"], nullptr);
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"], R"({"city":"Oslo"})");
  const auto any = opened(open_chat, chat(R"(, "tool_choice": "required")"), chatml());
  EXPECT_EQ(json::parse(any->questions[0].form->text)["anyOf"].size(), 2u);
  // References count from the root, which is ours.
  const auto shared =
      opened(open_chat, R"({"tool_choice": "required", "tools": [{"type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}},
      "$defs": {"A": {"type": "integer"}}}}}], "messages": [{"role": "user", "content": "Hi"}]})",
             chatml());
  const json schema = json::parse(shared->questions[0].form->text);
  EXPECT_EQ(schema["$defs"]["A"]["type"], "integer");
  EXPECT_FALSE(schema["properties"]["arguments"].contains("$defs"));
}

TEST(Tools, WhatOnlyLooksLikeACallIsText) {
  const auto said = [](const std::string& text, const std::string& more = "",
                       const std::string& reason = "eos") {
    const auto exchange = opened(open_chat, chat(more), chatml());
    take_all(*exchange, saying({text}, reason));
    return exchange->whole()["choices"][0];
  };
  for (const char* text : {"a < b", "a <tool", "<tool_call>\nnot JSON\n</tool_call> after",
                           R"(<tool_call>{"name": "delete_all", "arguments": {}}</tool_call>)",
                           R"(<tool_call>{"name": "now", "arguments": [1]}</tool_call>)",
                           "<tool_call>{\"name\": \"now\""}) {
    EXPECT_EQ(said(text)["message"]["content"], text);
    EXPECT_EQ(said(text)["finish_reason"], "stop") << text;
  }
  EXPECT_EQ(said(R"(<tool_call>{"name": "now", "arguments": {}})")["finish_reason"], "tool_calls");
  // Who chose none is told of none.
  const auto none = opened(open_chat, chat(R"(, "tool_choice": "none")"), chatml());
  EXPECT_EQ(none->questions[0].request.messages.size(), 1u);
  const std::string deep(100'000, '[');
  EXPECT_EQ(said("<tool_call>" + deep + "</tool_call>")["finish_reason"], "stop");
}

TEST(Tools, WhatIsWrongIsNamed) {
  const auto wrong = [](const std::string& more,
                        const std::string& messages = R"({"role": "user", "content": "Hi"})") {
    return complaint(open_chat, chat(more, messages), chatml());
  };
  EXPECT_EQ(complaint(open_chat, chat("")),
            "request: tools: the template of onellm has no place for tools");
  EXPECT_EQ(wrong(R"(, "tool_choice": "perhaps")"),
            "request: tool_choice: \"perhaps\" is no choice of tools");
  EXPECT_EQ(wrong(R"(, "tool_choice": {"function": {"name": "rm"}})"),
            "request: tool_choice: there is no tool \"rm\"");
  EXPECT_EQ(wrong(R"(, "tool_choice": "required", "response_format": {"type": "json_object"})"),
            "request: tool_choice: the answer has another form already");
  EXPECT_EQ(wrong(R"(, "logprobs": true)"),
            "request: logprobs: are not told beside tools; leave one of them out");
  EXPECT_EQ(
      wrong(
          "",
          R"({"role": "assistant", "tool_calls": [{"function": {"name": "now", "arguments": "[["}}]})"),
      "request: messages[0].tool_calls[0].function.arguments: expected a JSON object");
  EXPECT_EQ(
      complaint(
          open_chat,
          R"({"tools": [{"type": "web_search"}], "messages": [{"role": "user", "content": "Hi"}]})",
          chatml()),
      "request: tools[0].type: \"web_search\" is not done here; tools are functions of the "
      "client's");
}

}  // namespace
}  // namespace isthmus::protocol
