#include "server/access.h"

#include <fstream>

#include <gtest/gtest.h>

#include "error_message.h"
#include "new_folder.h"
#include "running_server.h"
#include "server/api_keys.h"

namespace isthmus::server {
namespace {

Settings with_keys() {
  Settings settings;
  settings.api_keys = {"first", "second"};
  return settings;
}

TEST(Access, EveryRouteNeedsAKeyWhereThereAreSome) {
  const Running running({}, with_keys());
  for (const char* path : {"/v1/models", "/api/tags", "/metrics", "/openapi.json"}) {
    EXPECT_EQ(running.get(path)->status, 401) << path;
    EXPECT_EQ(running.get(path, {{"Authorization", "Bearer second"}})->status, 200) << path;
  }
  for (const char* path : {"/v1/chat/completions", "/v1/messages", "/api/chat"}) {
    EXPECT_EQ(running.post(path, kChat)->status, 401) << path;
    EXPECT_EQ(running.post(path, kChat, {{"x-api-key", "third"}})->status, 401) << path;
    EXPECT_NE(running.post(path, kChat, {{"x-api-key", "first"}})->status, 401) << path;
  }
  EXPECT_EQ(running.get("/health")->status, 200);
  const auto refused = running.post("/v1/messages", kChat);
  EXPECT_EQ(json_of(refused)["error"]["type"], "authentication_error");
}

TEST(Access, AQuestionIsItsKeysOrItsAddress) {
  const auto client_of_question = [](const Settings& settings, const httplib::Headers& headers) {
    const Running running({}, settings);
    EXPECT_EQ(running.post("/v1/chat/completions", kChat, headers)->status, 200);
    const std::lock_guard lock(running.log->mutex);
    return running.log->questions.at(0).client;
  };
  EXPECT_EQ(client_of_question({}, {{"x-api-key", "anything"}}), "127.0.0.1");
  EXPECT_EQ(client_of_question(with_keys(), {{"x-api-key", "first"}}), "first");
  EXPECT_EQ(client_of_question(with_keys(), {{"Authorization", "Bearer second"}}), "second");
}

TEST(Access, PagesOfOtherOriginsMayNotAskUnlessAllowed) {
  const Running closed;
  const httplib::Headers evil{{"Origin", "https://evil.example"}};
  EXPECT_EQ(closed.post("/v1/chat/completions", kChat, evil)->status, 403);
  const std::string own = closed.server->url();
  EXPECT_EQ(closed.post("/v1/chat/completions", kChat, {{"Origin", own}})->status, 200);
  EXPECT_FALSE(closed.get("/health")->has_header("Access-Control-Allow-Origin"));

  Settings settings;
  settings.cors_origins = {"https://good.example"};
  const Running open({}, settings);
  EXPECT_EQ(open.post("/v1/chat/completions", kChat, evil)->status, 403);
  const auto good = open.post("/v1/chat/completions", kChat, {{"Origin", "https://good.example"}});
  EXPECT_EQ(good->status, 200);
  EXPECT_EQ(good->get_header_value("Access-Control-Allow-Origin"), "https://good.example");
  httplib::Client client = open.client();
  const auto preflight = client.Options(
      "/v1/chat/completions",
      {{"Origin", "https://good.example"}, {"Access-Control-Request-Headers", "content-type"}});
  EXPECT_EQ(preflight->status, 204);
  EXPECT_EQ(preflight->get_header_value("Access-Control-Allow-Headers"), "content-type");
}

TEST(Access, ANameThatLeadsHereIsNotEnough) {
  const Running running;  // 127.0.0.1, without keys
  EXPECT_EQ(running.get("/v1/models", {{"Host", "rebound.example:80"}})->status, 403);
  EXPECT_EQ(running.get("/v1/models", {{"Host", "localhost:8642"}})->status, 200);
  EXPECT_EQ(running.get("/v1/models", {{"Host", "[::1]:8642"}})->status, 200);
}

TEST(Access, KeysFromAFile) {
  const auto folder = new_folder("server");
  std::ofstream(folder / "keys") << "# ours\nfirst\n\n  second \r\n";
  EXPECT_EQ(read_api_keys(folder / "keys"), (std::vector<std::string>{"first", "second"}));
  std::ofstream(folder / "none") << "# nothing\n";
  EXPECT_EQ(message_of<InputError>([&] { read_api_keys(folder / "none"); }),
            (folder / "none").string() + ": there is no key in it");
}

}  // namespace
}  // namespace isthmus::server
