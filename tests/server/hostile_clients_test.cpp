// Whatever a client sends, there is one clear answer, and the next client is served.
#include <gtest/gtest.h>

#include "hostile_files.h"
#include "raw_client.h"
#include "running_server.h"

namespace isthmus::server {
namespace {

using namespace std::chrono_literals;

Settings impatient() {
  Settings settings;
  settings.patience = 1s;
  settings.longest_body = 4096;
  return settings;
}

bool is_well(const Running& running) {
  const auto result = running.post("/v1/chat/completions", kChat);
  return result && result->status == 200;
}

TEST(HostileClients, BrokenJsonIsA400InTheWordsOfItsApi) {
  const Running running;
  const auto openai = running.post("/v1/chat/completions", "{\"messages\": [");
  EXPECT_EQ(openai->status, 400);
  EXPECT_EQ(json_of(openai)["error"]["type"], "invalid_request_error");
  EXPECT_EQ(json_of(running.post("/v1/messages", "x"))["type"], "error");
  EXPECT_TRUE(json_of(running.post("/api/chat", ""))["error"].is_string());
  const auto field = running.post("/v1/chat/completions", R"({"messages": 5})");
  EXPECT_EQ(json_of(field)["error"]["param"], "messages");
}

TEST(HostileClients, ALongBodyIsA413AndTheConnectionStaysUsable) {
  const Running running({}, impatient());
  httplib::Client client = running.client();
  client.set_keep_alive(true);
  const auto long_body =
      client.Post("/v1/chat/completions", std::string(10'000, ' '), "application/json");
  ASSERT_TRUE(long_body);
  EXPECT_EQ(long_body->status, 413);
  EXPECT_EQ(client.Post("/v1/chat/completions", kChat, "application/json")->status, 200);
}

TEST(HostileClients, ABodyWithoutEndIsNotReadForEver) {
  const Running running({}, impatient());
  const RawClient client(running.server->port());
  client.send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n");
  const std::string piece(1000, ' ');
  bool taken = true;
  for (int i = 0; i < 100'000 && taken; ++i) taken = client.send(piece);
  EXPECT_FALSE(taken);  // the server has closed the connection
  EXPECT_TRUE(is_well(running));
}

TEST(HostileClients, ABodyInPiecesOfUnknownNumberHasTheSameLimit) {
  const Running running({}, impatient());
  httplib::Client client = running.client();
  size_t sent = 0;
  const auto result = client.Post(
      "/v1/chat/completions",
      [&](size_t, httplib::DataSink& sink) {
        const std::string piece(1000, ' ');
        sink.write(piece.data(), piece.size());
        if ((sent += piece.size()) > 10'000) sink.done();
        return true;
      },
      "application/json");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 413);
}

TEST(HostileClients, ASlowClientIsGivenUp) {
  const Running running({}, impatient());
  const RawClient headers(running.server->port()), body(running.server->port());
  headers.send("POST /v1/chat/completions HT");
  body.send("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{");
  EXPECT_TRUE(is_well(running));
  const std::string answer = body.read_all();
  EXPECT_TRUE(answer.empty() || answer.find(" 400 ") != std::string::npos ||
              answer.find(" 408 ") != std::string::npos)
      << answer;
  headers.read_all();  // comes to an end
}

TEST(HostileClients, ManyIdleClientsKeepNobodyOut) {
  const Running running;
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(std::make_unique<RawClient>(running.server->port()));
  const auto begin = serving::Clock::now();
  EXPECT_TRUE(is_well(running));
  EXPECT_LT(serving::Clock::now() - begin, 5s);
}

TEST(HostileClients, ABodyWhoseLengthNobodySaysIsEmpty) {
  const Running running;
  const RawClient client(running.server->port());
  client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  EXPECT_NE(client.read_some().find(" 400 "), std::string::npos);
}

TEST(HostileClients, MutatedRequestsEndInAnAnswerOrAClosedConnection) {
  const Running running({}, impatient());
  const std::string body = kChat;
  const std::string good = fmt::format(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      body.size(), body);
  Mutations mutations(good, good.size(), 5);
  for (int i = 0; i < 150; ++i) {
    const RawClient client(running.server->port());
    ASSERT_TRUE(client.connected());
    client.send(mutations.next());
    client.close_sending();
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 ")) << mutations.what();
  }
  EXPECT_TRUE(is_well(running));
}

TEST(HostileClients, ARefusedKeyDoesNotLeaveItsBodyInTheConnection) {
  Settings settings;
  settings.api_keys = {"key"};
  const Running running({}, settings);
  httplib::Client client = running.client();
  client.set_keep_alive(true);
  const std::string smuggled = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  EXPECT_EQ(client.Post("/v1/chat/completions", smuggled, "application/json")->status, 401);
  EXPECT_EQ(client.Get("/v1/models")->status, 401);
}

}  // namespace
}  // namespace isthmus::server
