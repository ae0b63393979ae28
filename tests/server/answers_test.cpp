// What comes back over HTTP, of each API.
#include <gtest/gtest.h>

#include "running_server.h"

namespace isthmus::server {
namespace {

using namespace std::chrono_literals;

TEST(Answers, OfEveryApi) {
  const Running running;
  const auto chat = running.post("/v1/chat/completions", kChat);
  ASSERT_TRUE(chat);
  EXPECT_EQ(chat->status, 200);
  EXPECT_EQ(json_of(chat)["choices"][0]["message"]["content"], "Hello");
  EXPECT_EQ(json_of(running.post("/v1/completions", R"({"prompt": "a"})"))["choices"][0]["text"],
            "Hello");
  EXPECT_EQ(json_of(running.post("/v1/responses", R"({"input": "a"})"))["status"], "completed");
  EXPECT_EQ(json_of(running.post("/v1/messages", R"({"max_tokens": 4,
    "messages": [{"role": "user", "content": "Hi"}]})"))["content"][0]["text"],
            "Hello");
  EXPECT_EQ(
      json_of(running.post("/v1/messages/count_tokens",
                           R"({"messages": [{"role": "user", "content": "Hi"}]})"))["input_tokens"],
      10);
  EXPECT_EQ(json_of(running.post("/api/chat", R"({"stream": false,
    "messages": [{"role": "user", "content": "Hi"}]})"))["message"]["content"],
            "Hello");
  EXPECT_EQ(
      json_of(running.post("/api/generate", R"({"stream": false, "prompt": "a"})"))["response"],
      "Hello");
  EXPECT_EQ(json_of(running.post("/api/isthmus", R"({"prompt": "a"})"))["answers"][0]["text"],
            "Hello");
  EXPECT_EQ(json_of(running.post("/v1/embeddings", R"({"input": ["a", "b"]})"))["data"].size(), 2u);
  EXPECT_EQ(json_of(running.post("/api/embed", R"({"input": "a"})"))["embeddings"].size(), 1u);
  EXPECT_EQ(json_of(running.post("/api/show", R"({"model": "scripted"})"))["details"]["family"],
            "llava");
}

TEST(Answers, AreStreamedPieceByPiece) {
  ScriptedService::Script script;
  script.before_each = 20ms;
  const Running running(script);
  httplib::Client client = running.client();
  std::vector<std::string> chunks;
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/chat/completions";
  request.body = kStreamedChat;
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    chunks.emplace_back(data, size);
    return true;
  };
  const auto result = client.send(request);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->get_header_value("Content-Type"), "text/event-stream");
  EXPECT_GE(chunks.size(), 4u);
  std::string all;
  for (const std::string& chunk : chunks) all += chunk;
  EXPECT_TRUE(all.ends_with("data: [DONE]\n\n")) << all;
  const auto ndjson =
      running.post("/api/chat", R"({"messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_EQ(ndjson->get_header_value("Content-Type"), "application/x-ndjson");
  EXPECT_NE(ndjson->body.find("\"done\":true"), std::string::npos);
}

TEST(Answers, CarryTheIdOfTheRequest) {
  const Running running;
  const auto fresh = running.post("/v1/chat/completions", kChat);
  EXPECT_EQ(fresh->get_header_value("X-Request-Id").size(), 24u);
  EXPECT_EQ(json_of(fresh)["id"], "chatcmpl-" + fresh->get_header_value("X-Request-Id"));
  const auto given = running.post("/v1/chat/completions", kChat, {{"X-Request-Id", "mine-1"}});
  EXPECT_EQ(given->get_header_value("X-Request-Id"), "mine-1");
  const auto broken = running.post("/v1/chat/completions", kChat, {{"X-Request-Id", "a b\"c"}});
  EXPECT_EQ(broken->get_header_value("X-Request-Id").size(), 24u);
}

TEST(Answers, ADeadlineGoesWithTheQuestion) {
  Settings settings;
  settings.longest_answer = 100s;
  const Running running({}, settings);
  running.post("/v1/chat/completions", kChat);
  const std::lock_guard lock(running.log->mutex);
  ASSERT_TRUE(running.log->questions.front().deadline.has_value());
  EXPECT_LT(*running.log->questions.front().deadline, serving::Clock::now() + 101s);
}

TEST(Answers, WhatCameToNothingIsAnError) {
  ScriptedService::Script script;
  script.pieces.clear();
  script.reason = "deadline";
  EXPECT_EQ(Running(script).post("/v1/chat/completions", kChat)->status, 504);
  script.reason = "cancelled";
  const auto leaving = Running(script).post("/v1/chat/completions", kChat);
  EXPECT_EQ(leaving->status, 503);
  EXPECT_TRUE(leaving->has_header("Retry-After"));
}

TEST(Answers, ErrorsOfTheServiceHaveTheirStatus) {
  ScriptedService::Script script;
  script.fails = serving::Failed{"image 1 of the request: not an image", 3};
  const auto input = Running(script).post("/v1/messages", R"({"max_tokens": 4,
    "messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_EQ(input->status, 400);
  EXPECT_EQ(json_of(input)["error"]["message"], "image 1 of the request: not an image");
  script.fails = serving::Failed{"/src/x.cpp:1: check failed", 70};
  const auto ours = Running(script).post("/v1/chat/completions", kStreamedChat);
  EXPECT_EQ(ours->status, 500);
  EXPECT_EQ(ours->body.find("x.cpp"), std::string::npos);
}

TEST(Answers, AStreamThatBreaksOffEndsWithAnError) {
  ScriptedService::Script script;
  script.breaks = serving::Failed{"it broke", 70};
  const auto stream = Running(script).post("/v1/chat/completions", kStreamedChat);
  EXPECT_EQ(stream->status, 200);
  EXPECT_NE(stream->body.find("\"error\""), std::string::npos);
  EXPECT_EQ(stream->body.find("[DONE]"), std::string::npos);
}

TEST(Answers, ABusyServiceSaysWhenToComeBack) {
  ScriptedService::Script script;
  script.is_busy = 7s;
  const auto busy = Running(script).post("/v1/messages", R"({"max_tokens": 4,
    "messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_EQ(busy->status, 503);
  EXPECT_EQ(busy->get_header_value("Retry-After"), "7");
  EXPECT_EQ(json_of(busy)["error"]["type"], "overloaded_error");
}

TEST(Answers, OfAnUnknownModelNameThoseThatAreHere) {
  const Running running;
  const auto unknown = running.post(
      "/v1/chat/completions", R"({"model": "x", "messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_EQ(unknown->status, 404);
  EXPECT_EQ(json_of(unknown)["error"]["message"],
            "there is no model \"x\" here; there is scripted");
  EXPECT_EQ(running.post("/api/show", R"({"model": "scripted:latest"})")->status, 200);
}

}  // namespace
}  // namespace isthmus::server
