#include <cstdlib>

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "new_folder.h"
#include "running_server.h"

namespace isthmus::server {
namespace {

TEST(Tls, ACertificateAndItsKeyMakeAServerOfHttps) {
  const auto folder = new_folder("server_tls");
  const std::string command =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout " +
      (folder / "key.pem").string() + " -out " + (folder / "cert.pem").string() + " 2>/dev/null";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "openssl makes no certificate here";
  Settings settings;
  settings.certificate = folder / "cert.pem";
  settings.private_key = folder / "key.pem";
  const Running running({}, settings);
  EXPECT_TRUE(running.server->url().starts_with("https://127.0.0.1:"));
  httplib::SSLClient client("127.0.0.1", running.server->port());
  client.enable_server_certificate_verification(false);
  const auto answer = client.Post("/v1/chat/completions", kStreamedChat, "application/json");
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body.ends_with("data: [DONE]\n\n"));
  EXPECT_FALSE(running.get("/health"));  // in plain words
}

TEST(Tls, WhatIsNoCertificateIsAUsageError) {
  Settings settings;
  settings.port = 0;
  settings.certificate = settings.private_key = "/nowhere.pem";
  Server server(settings, std::make_unique<Models>());
  EXPECT_THROW(server.start(), UsageError);
}

}  // namespace
}  // namespace isthmus::server
