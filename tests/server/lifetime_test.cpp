// Clients that leave, and a server that leaves.
#include <future>

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "raw_client.h"
#include "running_server.h"

namespace isthmus::server {
namespace {

using namespace std::chrono_literals;

TEST(Lifetime, AClientThatLeavesAStreamCancels) {
  ScriptedService::Script script;
  script.endless = true;
  script.before_each = 5ms;
  const Running running(script);
  {
    RawClient client(running.server->port());
    client.send_request("/v1/chat/completions", kStreamedChat);
    EXPECT_NE(client.read_some().find("200 OK"), std::string::npos);
  }
  EXPECT_TRUE(comes_true([&] { return running.log->under_way == 0; }));
  EXPECT_GE(running.log->cancelled, 1);
}

TEST(Lifetime, AClientThatLeavesWhileItWaitsCancels) {
  ScriptedService::Script script;
  script.before_each = 30s;
  const Running running(script);
  {
    RawClient client(running.server->port());
    client.send_request("/v1/chat/completions", kChat);
    EXPECT_TRUE(comes_true([&] { return running.log->under_way == 1; }));
  }
  EXPECT_TRUE(comes_true([&] { return running.log->under_way == 0; }));
  EXPECT_EQ(running.log->cancelled, 1);
}

TEST(Lifetime, AClientThatClosesItsHalfHasLeft) {
  ScriptedService::Script script;
  script.before_each = 30s;
  const Running running(script);
  RawClient client(running.server->port());
  client.send_request("/v1/chat/completions", kChat);
  EXPECT_TRUE(comes_true([&] { return running.log->under_way == 1; }));
  client.close_sending();
  EXPECT_TRUE(comes_true([&] { return running.log->under_way == 0; }));
}

TEST(Lifetime, WhatIsUnderWayIsAnsweredWhenTheServerIsToldToEnd) {
  ScriptedService::Script script;
  script.before_each = 100ms;
  const Running running(script);
  auto stream = std::async(std::launch::async,
                           [&] { return running.post("/v1/chat/completions", kStreamedChat); });
  EXPECT_TRUE(comes_true([&] { return running.log->under_way == 1; }));
  auto drained =
      std::async(std::launch::async, [&] { running.server->drain(serving::Clock::now() + 10s); });
  EXPECT_TRUE(comes_true([&] {
    const auto health = running.get("/health");
    return !health || health->status == 503;
  }));
  const auto result = stream.get();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->body.ends_with("data: [DONE]\n\n"));
  drained.get();
  EXPECT_FALSE(running.get("/health"));
}

TEST(Lifetime, APortThatIsTakenIsAUsageError) {
  const Running running;
  Settings settings;
  settings.port = running.server->port();
  auto models = std::make_unique<Models>();
  models->add(std::make_unique<ScriptedService>());
  Server second(settings, std::move(models));
  EXPECT_THROW(second.start(), UsageError);
}

TEST(Lifetime, ModelsOfOneNameAreRefused) {
  Models models;
  models.add(std::make_unique<ScriptedService>());
  EXPECT_THROW(models.add(std::make_unique<ScriptedService>()), UsageError);
  models.add(std::make_unique<ScriptedService>(ScriptedService::Script{}, "other"));
  EXPECT_THROW(models.named(""), NoSuchModel);
  EXPECT_EQ(models.named("other").card().name, "other");
}

TEST(Lifetime, HalfOfWhatTlsNeedsIsAUsageError) {
  Settings settings;
  settings.certificate = "cert.pem";
  Server server(settings, std::make_unique<Models>());
  EXPECT_THROW(server.start(), UsageError);
}

}  // namespace
}  // namespace isthmus::server
