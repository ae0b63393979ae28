#include "server/routes.h"

#include <gtest/gtest.h>

#include "running_server.h"
#include "server/page.h"

namespace isthmus::server {
namespace {

TEST(Routes, ListModelsInEveryDialect) {
  const Running running;
  const auto models = json_of(running.get("/v1/models"));
  EXPECT_EQ(models["data"][0]["id"], "scripted");
  EXPECT_EQ(models["data"][0]["max_model_len"], 2048);
  EXPECT_EQ(json_of(running.get("/v1/models/scripted"))["id"], "scripted");
  EXPECT_EQ(running.get("/v1/models/other")->status, 404);
  EXPECT_EQ(json_of(running.get("/api/tags"))["models"][0]["name"], "scripted");
  EXPECT_TRUE(json_of(running.get("/api/version")).contains("version"));
  EXPECT_EQ(json_of(running.get("/health"))["status"], "ok");
}

TEST(Routes, AreAllDescribed) {
  const auto document = json_of(Running().get("/openapi.json"));
  EXPECT_EQ(document["openapi"], "3.1.0");
  for (const Route& route : posts()) EXPECT_TRUE(document["paths"][route.path].contains("post"));
  for (const Look& look : gets()) EXPECT_TRUE(document["paths"][look.path].contains("get"));
  for (const Look& look : deletes()) EXPECT_TRUE(document["paths"][look.path].contains("delete"));
}

TEST(Routes, WhatIsNotThereIsToldInTheDialectOfItsPath) {
  const Running running;
  EXPECT_EQ(running.get("/v1/nothing")->status, 404);
  EXPECT_EQ(json_of(running.get("/v1/nothing"))["error"]["type"], "not_found_error");
  EXPECT_TRUE(json_of(running.post("/api/pull", "{}"))["error"].is_string());
  EXPECT_EQ(running.get("/v1/chat/completions")->status, 404);
}

TEST(Routes, MetersCount) {
  const Running running;
  running.post("/v1/chat/completions", kChat);
  running.post("/v1/chat/completions", "{");
  const std::string text = running.get("/metrics")->body;
  for (const char* line :
       {"isthmus:num_requests_running{model_name=\"scripted\"} 0",
        "isthmus:prompt_tokens_total{model_name=\"scripted\"} 42",
        "isthmus:time_to_first_token_seconds_count{model_name=\"scripted\"} 1",
        "isthmus:inter_token_latency_seconds_count{model_name=\"scripted\"} 1",
        "isthmus:e2e_request_latency_seconds_count{model_name=\"scripted\"} 1",
        "isthmus:request_success_total{finished_reason=\"stop\",model_name=\"scripted\"} 1",
        "isthmus:http_requests_total{route=\"/v1/chat/completions\",status=\"400\"} 1"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

TEST(Routes, ThePageIsServedAsItWasBuilt) {
  const Running running;
  EXPECT_EQ(running.get("/")->status, 200);
  for (const PageFile& file : page_files()) {
    const auto served = running.get(std::string(file.path));
    EXPECT_EQ(served->status, 200);
    EXPECT_EQ(served->body, file.content);
    EXPECT_EQ(served->get_header_value("Content-Type"), file.type);
  }
}

}  // namespace
}  // namespace isthmus::server
