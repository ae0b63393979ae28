// A real server on a port of its own, and clients of it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "scripted_service.h"
#include "server/server.h"

namespace isthmus::server {

struct Running {
  explicit Running(ScriptedService::Script script = {}, Settings settings = {}) {
    auto service = std::make_unique<ScriptedService>(std::move(script));
    log = service->log();
    auto models = std::make_unique<Models>();
    models->add(std::move(service));
    settings.port = 0;
    server = std::make_unique<Server>(std::move(settings), std::move(models));
    server->start();
  }
  httplib::Client client() const {
    httplib::Client client("127.0.0.1", server->port());
    client.set_read_timeout(20);
    return client;
  }
  httplib::Result post(const std::string& path, const std::string& body,
                       const httplib::Headers& headers = {}) const {
    return client().Post(path, headers, body, "application/json");
  }
  httplib::Result get(const std::string& path, const httplib::Headers& headers = {}) const {
    return client().Get(path, headers);
  }

  std::shared_ptr<ScriptedService::Log> log;
  std::unique_ptr<Server> server;
};

inline const char* const kChat =
    R"({"model": "scripted", "messages": [{"role": "user", "content": "Hi"}]})";
inline const char* const kStreamedChat =
    R"({"model": "scripted", "stream": true, "messages": [{"role": "user", "content": "Hi"}]})";

inline nlohmann::json json_of(const httplib::Result& result) {
  return nlohmann::json::parse(result->body);
}

// Waits for what happens on another thread.
template <typename Condition>
bool comes_true(const Condition& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace isthmus::server
