#include "protocol/ollama.h"

#include <gtest/gtest.h>

#include "exchange_testing.h"
#include "protocol/ollama_cards.h"

namespace isthmus::protocol {
namespace {

TEST(Ollama, ReadsAChat) {
  const auto exchange =
      opened(open_ollama_chat, R"({"model": "onellm", "stream": false, "keep_alive": "5m",
    "options": {"temperature": 0.5, "num_predict": 9, "repeat_penalty": 1.2, "repeat_last_n": 64, "min_p": 0.05, "presence_penalty": 0.5, "num_ctx": 4096, "stop": ["END"]},
    "messages": [{"role": "system", "content": "S"},
                 {"role": "user", "content": "What?", "images": ["QUJD", "QUJD"]}]})");
  EXPECT_FALSE(exchange->streams);
  const Request& request = exchange->questions.front().request;
  ASSERT_EQ(request.messages.size(), 2u);
  ASSERT_EQ(request.messages[1].content.size(), 3u);  // pictures first
  EXPECT_EQ(request.messages[1].content[0].modality, "image");
  EXPECT_EQ(request.messages[1].content[2].text, "What?");
  EXPECT_EQ(request.generate.temperature, 0.5);
  EXPECT_EQ(request.generate.max_new_tokens, 9);
  EXPECT_EQ(request.generate.repetition_penalty, 1.2);
  EXPECT_EQ(request.generate.penalty_last_n, 64);
  EXPECT_EQ(request.generate.min_p, 0.05);
  EXPECT_EQ(request.generate.presence_penalty, 0.5);
  EXPECT_EQ(request.generate.stop, std::vector<std::string>{"END"});
}

TEST(Ollama, StreamsLinesUnlessToldNotTo) {
  const auto exchange =
      opened(open_ollama_chat, R"({"messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_TRUE(exchange->streams);
  EXPECT_EQ(exchange->stream_type(), "application/x-ndjson");
  const auto all = lines(streamed(*exchange, hello()));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["message"]["content"], "Hel");
  EXPECT_EQ(all[0]["done"], false);
  EXPECT_EQ(all[0]["created_at"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(all[2]["done"], true);
  EXPECT_EQ(all[2]["done_reason"], "stop");
  EXPECT_EQ(all[2]["message"]["content"], "");
  EXPECT_EQ(all[2]["prompt_eval_count"], 12);
  EXPECT_EQ(all[2]["eval_count"], 3);
  EXPECT_EQ(all[2]["eval_duration"], 250000000);
  EXPECT_EQ(all[2]["prompt_eval_duration"], 500000000);
}

TEST(Ollama, GeneratesFromAPrompt) {
  const auto exchange = opened(open_ollama_generate, R"({"prompt": "What?", "system": "S",
    "images": ["QUJD"], "stream": false, "format": "json"})");
  const Request& request = exchange->questions.front().request;
  ASSERT_EQ(request.messages.size(), 2u);
  EXPECT_EQ(request.messages[1].content.size(), 2u);
  EXPECT_EQ(exchange->questions.front().form->text, R"({"type":"object"})");
  take_all(*exchange, hello());
  const Json body = exchange->whole();
  EXPECT_EQ(body["response"], "Hello");
  EXPECT_EQ(body["done"], true);
}

TEST(Ollama, ARawPromptIsLiteral) {
  const auto exchange = opened(open_ollama_generate, R"({"prompt": "x", "raw": true})");
  EXPECT_TRUE(exchange->questions.front().request.messages.empty());
  EXPECT_EQ(exchange->questions.front().request.prompt.size(), 1u);
}

TEST(Ollama, AsLongAsTheContextIs) {
  const auto exchange =
      opened(open_ollama_generate, R"({"prompt": "x", "options": {"num_predict": -1}})");
  EXPECT_EQ(exchange->questions.front().request.generate.max_new_tokens, 2048);
}

TEST(Ollama, WhatIsWrongIsNamed) {
  Context text_alone = context();
  text_alone.card.modalities.clear();
  EXPECT_EQ(complaint(open_ollama_chat,
                      R"({"messages": [{"role": "user", "content": "", "images": ["QUJD"]}]})",
                      text_alone),
            "request: messages[0].images: onellm takes no pictures");
  EXPECT_EQ(complaint(open_ollama_generate, R"({"prompt": "x", "images": ["?"]})"),
            "request: images[0]: is not base64");
  EXPECT_EQ(complaint(open_ollama_generate, R"({"prompt": "x", "think": true})"),
            "request: think: this model does not think aloud; leave it out");
  EXPECT_EQ(complaint(open_ollama_generate, R"({"prompt": "x", "format": "xml"})"),
            "request: format: \"xml\" is neither json nor a schema");
  EXPECT_NO_THROW(opened(open_ollama_generate, R"({"prompt": "x", "format": "", "think": false,
    "tools": [], "context": [], "template": "", "suffix": ""})"));
}

TEST(Ollama, TellsOfModels) {
  serving::Card card = context().card;
  card.parameters = 7'240'000'000;
  const Json tags = ollama_tags(std::vector{card}, 0);
  EXPECT_EQ(tags["models"][0]["name"], "onellm");
  EXPECT_EQ(tags["models"][0]["details"]["parameter_size"], "7.2B");
  const Json show = ollama_show(card, 0);
  EXPECT_EQ(show["model_info"]["onellm.context_length"], 2048);
  EXPECT_EQ(show["capabilities"][2], "vision");
}

TEST(Ollama, ATemplateOfOursIsAnOption) {
  const auto chat = opened(open_ollama_chat, R"({"options": {"template": "llava_hf_chatml"},
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"type": "function", "function": {"name": "now"}}]})");
  EXPECT_EQ(chat->questions[0].request.conversation_template, "llava_hf_chatml");
  EXPECT_EQ(chat->questions[0].request.messages.front().role, "system");
  const auto raw = opened(open_ollama_generate, R"({"options": {"template": "llava_hf_chatml"},
    "prompt": "Hi", "raw": true})");
  EXPECT_EQ(raw->questions[0].request.conversation_template, "");
  const auto forced = opened(open_ollama_chat, R"({"options": {"template": "llava_hf_chatml",
    "tool_choice": "required"}, "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"type": "function", "function": {"name": "now"}}]})");
  EXPECT_TRUE(forced->questions[0].form);
}

}  // namespace
}  // namespace isthmus::protocol
