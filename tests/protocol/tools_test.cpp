#include "protocol/tools.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"
#include "protocol/anthropic.h"
#include "protocol/ollama.h"
#include "protocol/openai_chat.h"
#include "protocol/openai_responses.h"

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
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"], R"({"city": "Oslo"})");
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
  // Parameters are those of an object, whether they say so or not.
  const auto open = opened(open_chat, R"({"tool_choice": "required", "tools": [{"type": "function",
    "function": {"name": "f", "parameters": {}}}], "messages": [{"role": "user", "content": "Hi"}]})",
                           chatml());
  EXPECT_EQ(json::parse(open->questions[0].form->text)["properties"]["arguments"],
            json({{"type", "object"}}));
}

const std::string kForced = R"(, "stream": true, "tool_choice": "required")";
const std::vector<std::string> kForcedPieces{
    "{ \"na", "me\":\"wea", "ther\", \"argum", "ents\": {\"city\": \"O", "s}\\\"lo\", \"more\": [",
    "{}]}",   "}\n"};
const std::string kForcedArguments = R"({"city": "Os}\"lo", "more": [{}]})";

TEST(Tools, AForcedCallIsToldAsItComes) {
  const auto stream = opened(open_chat, chat(kForced), chatml());
  std::vector<std::string> seen;
  for (const SseEvent& event : sse_events(streamed(*stream, saying(kForcedPieces)))) {
    if (event.data == "[DONE]") continue;
    const json one = event.json()["choices"][0];
    for (const json& call : one["delta"].value("tool_calls", json::array())) {
      EXPECT_EQ(call["index"], 0);
      EXPECT_EQ(call.value("id", "call_id1_0_0"), "call_id1_0_0");
      seen.push_back(call["function"].value("name", "") +
                     call["function"]["arguments"].get<std::string>());
    }
    EXPECT_EQ(one["delta"].value("content", ""), "");
    if (one["finish_reason"].is_string()) seen.push_back(one["finish_reason"]);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"weather", "{\"city\": \"O", "s}\\\"lo\", \"more\": [",
                                            "{}]}", "tool_calls"}));
  EXPECT_EQ(stream->whole()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
            kForcedArguments);
  // Wherever it is cut.
  std::string all;
  for (const std::string& piece : kForcedPieces) all += piece;
  std::vector<std::string> characters;
  for (const char c : all) characters.emplace_back(1, c);
  const auto each = opened(open_chat, chat(kForced), chatml());
  std::string arguments;
  for (const SseEvent& event : sse_events(streamed(*each, saying(characters)))) {
    if (event.data == "[DONE]") continue;
    const json one = event.json()["choices"][0]["delta"];
    for (const json& call : one.value("tool_calls", json::array()))
      arguments += call["function"]["arguments"];
  }
  EXPECT_EQ(arguments, kForcedArguments);
}

// How the pieces of a call that never ends are told, whole and streamed.
TEST(Tools, AForcedCallThatIsCutIsToldAsFarAsItCame) {
  const std::vector<std::string> cut{
      R"({"name": "weather", "arguments": {"city": "Oslo", "day": 1)"};
  const auto exchange = opened(open_chat, chat(kForced), chatml());
  const std::string sent = streamed(*exchange, saying(cut, "length"));
  const Json choice = exchange->whole()["choices"][0];
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"],
            R"({"city": "Oslo", "day": 1)");
  EXPECT_EQ(choice["message"]["content"], nullptr);
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_NE(sent.find(R"("arguments":"{\"city\": \"Oslo\", \"day\": 1")"), std::string::npos);
  EXPECT_NE(sent.find(R"("finish_reason":"length")"), std::string::npos);
  // A stop string of the client's may end it, too: then it is no call to be made.
  const auto stopped = opened(open_chat, chat(kForced), chatml());
  EXPECT_EQ(streamed(*stopped, saying(cut, "stop")).find("\"finish_reason\":\"tool_calls\""),
            std::string::npos);
  EXPECT_EQ(stopped->whole()["choices"][0]["finish_reason"], "stop");
  // Where arguments are an object, what did not come to its end is left out.
  const auto message = opened(open_messages, R"({"max_tokens": 9, "tool_choice": {"type": "any"},
    "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
    "messages": [{"role": "user", "content": "Hi"}]})",
                              chatml());
  take_all(*message, saying(cut, "length"));
  EXPECT_EQ(message->whole()["content"], Json::array({{{"type", "tool_use"},
                                                       {"id", "toolu_id1_0"},
                                                       {"name", "weather"},
                                                       {"input", {{"city", "Oslo"}}}}}));
  EXPECT_EQ(message->whole()["stop_reason"], "max_tokens");
  // Ollama has no such thing as half a call, nor is there one before its tool is named.
  const auto line =
      opened(open_ollama_chat, chat(R"(, "stream": false, "tool_choice": "required")"), chatml());
  take_all(*line, saying(cut, "length"));
  EXPECT_EQ(line->whole()["message"]["content"], cut[0]);
  const auto early = opened(open_chat, chat(kForced), chatml());
  take_all(*early, saying({R"({"name": "wea)"}, "length"));
  EXPECT_EQ(early->whole()["choices"][0]["message"]["content"], R"({"name": "wea)");
}

TEST(Tools, AForcedCallOfAnthropicIsOneBlock) {
  const auto stream = opened(open_messages, R"({"max_tokens": 9, "stream": true, "tools": [
    {"name": "weather", "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": "weather"},
    "messages": [{"role": "user", "content": "Hi"}]})",
                             chatml());
  std::vector<std::string> seen;
  for (const SseEvent& event : sse_events(streamed(*stream, saying(kForcedPieces)))) {
    const json one = event.json();
    std::string line = event.name;
    if (one.contains("index")) line += " " + one["index"].dump();
    if (one.contains("content_block"))
      line += " " + one["content_block"]["name"].get<std::string>();
    if (one.contains("delta") && one["delta"].contains("partial_json"))
      line += " " + one["delta"]["partial_json"].get<std::string>();
    seen.push_back(line);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{
                      "message_start", "ping", "content_block_start 0 weather",
                      "content_block_delta 0 {\"city\": \"O",
                      "content_block_delta 0 s}\\\"lo\", \"more\": [", "content_block_delta 0 {}]}",
                      "content_block_stop 0", "message_delta", "message_stop"}));
  EXPECT_EQ(stream->whole()["content"].size(), 1u);
}

const std::string kFlatTools = R"("tools": [
  {"type": "function", "name": "weather", "description": "Of a city.", "strict": true, "parameters":
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
  {"type": "function", "name": "now"}])";

TEST(Tools, CallsAndResultsAreItemsOfResponses) {
  const auto exchange = opened(open_responses, "{" + kFlatTools + R"(, "input": [
    {"role": "user", "content": "Weather?"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Well."}]},
    {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "weather", "arguments": "{\"city\":\"Oslo\"}"},
    {"type": "function_call", "call_id": "b", "name": "now", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "a", "output": "rain"},
    {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "noon"}]},
    {"role": "user", "content": "So?"}]})",
                               chatml());
  const auto& messages = exchange->questions[0].request.messages;
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_TRUE(
      text_of(messages[0]).find("{\"type\": \"function\", \"function\": {\"name\": \"now\"") !=
      std::string::npos);
  EXPECT_EQ(text_of(messages[2]),
            "Well.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n"
            "</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(messages[3].role, "user");
  EXPECT_EQ(text_of(messages[3]),
            "<tool_response>\nrain\n</tool_response>\n<tool_response>\nnoon\n</tool_response>");
  EXPECT_EQ(text_of(messages[4]), "So?");
}

TEST(Tools, CallsOfResponses) {
  const std::string body = "{" + kFlatTools + R"(, "input": "Weather?")";
  const auto whole = opened(open_responses, body + "}", chatml());
  take_all(*whole, saying(kSaid));
  const Json response = whole->whole();
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["tool_choice"], "auto");
  EXPECT_EQ(response["tools"][1]["name"], "now");
  ASSERT_EQ(response["output"].size(), 3u);
  EXPECT_EQ(response["output"][0]["content"][0]["text"], "Let me see.");
  EXPECT_EQ(response["output"][1], Json({{"id", "fc_id1_1"},
                                         {"type", "function_call"},
                                         {"status", "completed"},
                                         {"call_id", "call_id1_1"},
                                         {"name", "weather"},
                                         {"arguments", R"({"city":"Oslo"})"}}));
  const auto stream = opened(open_responses, body + R"(, "stream": true})", chatml());
  const auto events = sse_events(streamed(*stream, saying(kSaid)));
  const std::vector<std::string> expected{"created 0",
                                          "in_progress 0",
                                          "output_item.added 0",
                                          "content_part.added 0",
                                          "output_text.delta 0",
                                          "output_text.done 0",
                                          "content_part.done 0",
                                          "output_item.done 0",
                                          "output_item.added 1",
                                          "function_call_arguments.delta 1",
                                          "function_call_arguments.done 1",
                                          "output_item.done 1",
                                          "output_item.added 2",
                                          "function_call_arguments.delta 2",
                                          "function_call_arguments.done 2",
                                          "output_item.done 2",
                                          "completed 0"};
  std::vector<std::string> seen;
  Json done = Json::array();
  for (const SseEvent& event : events) {
    const Json one = Json::parse(event.data);
    seen.push_back(event.name.substr(9) + " " + std::to_string(one.value("output_index", 0)));
    if (event.name == "response.output_item.done") done.push_back(one["item"]);
    EXPECT_EQ(one["sequence_number"], seen.size() - 1);
  }
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(done, Json::parse(events.back().data)["response"]["output"]);
  EXPECT_EQ(events[8].json()["item"]["status"], "in_progress");
  EXPECT_EQ(events[8].json()["item"]["name"], "weather");
  EXPECT_EQ(events[8].json()["item"]["arguments"], "");
  EXPECT_EQ(events[10].json()["arguments"], R"({"city":"Oslo"})");
}

TEST(Tools, AForcedCallOfResponsesIsTheOnlyItem) {
  const std::string body = "{" + kFlatTools + R"(, "input": "Weather?", "stream": true,
    "tool_choice": {"type": "function", "name": "weather"}})";
  const auto said = [&](const std::vector<std::string>& pieces, const std::string& reason) {
    const auto stream = opened(open_responses, body, chatml());
    std::vector<SseEvent> events = sse_events(streamed(*stream, saying(pieces, reason)));
    EXPECT_EQ(stream->whole(), Json::parse(events.back().data)["response"]);
    return events;
  };
  const auto events = said(kForcedPieces, "eos");
  const std::vector<std::string> expected{"response.created",
                                          "response.in_progress",
                                          "response.output_item.added",
                                          "response.function_call_arguments.delta",
                                          "response.function_call_arguments.delta",
                                          "response.function_call_arguments.delta",
                                          "response.function_call_arguments.done",
                                          "response.output_item.done",
                                          "response.completed"};
  ASSERT_EQ(events.size(), expected.size());
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].name, expected[i]);
  EXPECT_EQ(events[6].json()["arguments"], kForcedArguments);
  const auto cut = said({kForcedPieces.begin(), kForcedPieces.end() - 2}, "length");
  EXPECT_EQ(cut.back().name, "response.incomplete");
  EXPECT_EQ(cut.back().json()["response"]["output"][0]["status"], "incomplete");
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
  EXPECT_EQ(wrong(R"(, "tool_choice": {"type": "allowed_tools"})"),
            "request: tool_choice.type: \"allowed_tools\" is not done here; name a function");
  EXPECT_EQ(complaint(open_responses, "{" + kFlatTools + R"(, "input": "a", "top_logprobs": 1})",
                      chatml()),
            "request: top_logprobs: are not told beside tools; leave one of them out");
  EXPECT_EQ(complaint(open_responses,
                      R"({"input": [{"type": "function_call", "name": "a", "arguments": "{}"}]})"),
            "request: input[0]: no tools are called here");
  EXPECT_EQ(complaint(open_chat,
                      R"({"tools": [{"type": "function", "function": {"name": "f", "parameters":
              {"type": "string"}}}], "messages": [{"role": "user", "content": "Hi"}]})",
                      chatml()),
            "request: tools[0].function.parameters: expected the schema of an object");
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
