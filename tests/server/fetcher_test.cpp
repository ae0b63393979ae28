#include "server/fetcher.h"

#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

#include "error_message.h"
#include "isthmus/error.h"
#include "new_folder.h"
#include "running_server.h"
#include "server/api.h"

namespace isthmus::server {
namespace {

using namespace std::chrono_literals;

// The web, as far as a test needs it.
template <typename Base = httplib::Server>
class Web {
 public:
  template <typename... Files>
  explicit Web(const Files&... files) : server_(files...) {
    server_.Get("/picture", [this](const httplib::Request&, httplib::Response& response) {
      ++seen;
      response.set_content("bytes", "image/png");
    });
    server_.Get("/empty", [](const httplib::Request&, httplib::Response&) {});
    server_.Get("/to", [](const httplib::Request& request, httplib::Response& response) {
      response.set_redirect(request.get_param_value("at"));
    });
    server_.Get("/loop", [](const httplib::Request&, httplib::Response& response) {
      response.set_redirect("/loop");
    });
    server_.Get("/endless", [](const httplib::Request&, httplib::Response& response) {
      response.set_chunked_content_provider("image/png", [](size_t, httplib::DataSink& sink) {
        const std::string piece(4096, 'x');
        return sink.write(piece.data(), piece.size());
      });
    });
    server_.Get("/slow", [](const httplib::Request&, httplib::Response& response) {
      response.set_chunked_content_provider("image/png", [](size_t, httplib::DataSink& sink) {
        std::this_thread::sleep_for(20ms);
        return sink.write("x", 1);
      });
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::sleep_for(1ms);
  }
  ~Web() {
    server_.stop();
    thread_.join();
  }
  std::string at(const std::string& path, const std::string& host = "127.0.0.1") const {
    return fmt::format("{}://{}:{}{}", std::is_same_v<Base, httplib::Server> ? "http" : "https",
                       host, port_, path);
  }
  std::string host(const std::string& name = "127.0.0.1") const {
    return fmt::format("{}:{}", name, port_);
  }
  std::atomic<int> seen = 0;

 private:
  Base server_;
  int port_ = 0;
  std::thread thread_;
};

FetchSettings allowing(std::vector<std::string> hosts) {
  FetchSettings settings;
  settings.hosts = std::move(hosts);
  settings.private_addresses = true;
  settings.patience = 5s;
  return settings;
}

std::string fetched(const FetchSettings& settings, const std::string& address) {
  const auto bytes = Fetcher(settings, {}).fetch(address);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string complaint(const FetchSettings& settings, const std::string& address) {
  return message_of<UsageError>([&] { fetched(settings, address); });
}

TEST(Fetcher, BringsWhatLiesOnAnAllowedHost) {
  const Web web;
  EXPECT_EQ(fetched(allowing({web.host()}), web.at("/picture")), "bytes");
  EXPECT_EQ(fetched(allowing({web.host()}), web.at("/to?at=/picture")), "bytes");
  EXPECT_EQ(fetched(allowing({web.host("localhost")}), web.at("/picture", "LocalHost")), "bytes");
}

TEST(Fetcher, OtherHostsPortsAndSchemesAreRefused) {
  const Web web;
  const auto settings = allowing({web.host(), "example.org"});
  EXPECT_EQ(complaint(settings, web.at("/picture", "localhost")),
            fmt::format("this server fetches nothing from localhost port {}; send the file itself",
                        web.host().substr(10)));
  EXPECT_NE(complaint(settings, "http://127.0.0.1:1/picture").find("127.0.0.1 port 1;"),
            std::string::npos);
  EXPECT_NE(complaint(settings, "http://example.org:8080/").find("example.org port 8080;"),
            std::string::npos);
  EXPECT_NE(complaint(settings, "http://example.org.evil.com/").find("example.org.evil.com"),
            std::string::npos);
  for (const char* address : {"ftp://example.org/a", "file:///etc/passwd", "gopher://example.org"})
    EXPECT_EQ(complaint(settings, address), "only http and https are fetched") << address;
  EXPECT_EQ(complaint(settings, "http://me:secret@example.org/"),
            "names and passwords in addresses are not passed on; leave them out");
  EXPECT_EQ(complaint(settings, "http://"), "is no address of the web");
  EXPECT_EQ(web.seen, 0);
}

// The name is allowed; what it leads to is not, in whatever way it is written. What is looked at is
// what the socket is opened to, so that a name that leads elsewhere a moment later changes nothing.
TEST(Fetcher, PrivateAddressesAreNotConnectedTo) {
  const Web web;
  for (const char* name :
       {"127.0.0.1", "localhost", "a.localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"}) {
    // Numbers become the address they mean before the list is asked.
    auto settings = allowing({web.host("127.0.0.1"), web.host("localhost"), web.host("*.localhost"),
                              web.host("[::ffff:127.0.0.1]")});
    settings.private_addresses = false;
    EXPECT_EQ(complaint(settings, web.at("/picture", name)),
              "leads to where this server fetches nothing from")
        << name;
  }
  EXPECT_EQ(web.seen, 0);
  auto settings = allowing({"169.254.169.254", "0.0.0.0:" + web.host().substr(10)});
  EXPECT_EQ(complaint(settings, "http://169.254.169.254/latest/meta-data/"),
            "leads to where this server fetches nothing from");
  EXPECT_EQ(complaint(settings, web.at("/picture", "0.0.0.0")),
            "leads to where this server fetches nothing from");
  EXPECT_EQ(web.seen, 0);
}

TEST(Fetcher, RedirectsAreHeldAgainstTheSameRules) {
  const Web web, other;
  const auto settings = allowing({web.host()});
  EXPECT_EQ(complaint(settings, web.at("/to?at=") + other.at("/picture")),
            "leads to a host that this server fetches nothing from");
  EXPECT_EQ(complaint(settings, web.at("/to?at=file:///etc/passwd")),
            "only http and https are fetched");
  EXPECT_EQ(complaint(settings, web.at("/to?at=http://me:secret@127.0.0.1/")),
            "names and passwords in addresses are not passed on; leave them out");
  EXPECT_EQ(complaint(allowing({web.host(), "169.254.169.254"}),
                      web.at("/to?at=http://169.254.169.254/")),
            "leads to where this server fetches nothing from");
  EXPECT_EQ(complaint(settings, web.at("/loop")), "leads on more than 3 times");
  EXPECT_EQ(other.seen, 0);
}

TEST(Fetcher, BytesTimeAndNumberHaveBounds) {
  const Web web;
  auto settings = allowing({web.host()});
  settings.most_bytes = 10'000;
  EXPECT_EQ(complaint(settings, web.at("/endless")),
            "what lies there is larger than the 10000 bytes that a request may still fetch");
  settings.most_bytes = 8;
  Fetcher fetcher(settings, {});
  EXPECT_EQ(fetcher.fetch(web.at("/picture")).size(), 5u);
  EXPECT_EQ(message_of<UsageError>([&] { fetcher.fetch(web.at("/picture")); }),
            "what lies there is larger than the 3 bytes that a request may still fetch");
  settings = allowing({web.host()});
  settings.patience = 200ms;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(complaint(settings, web.at("/slow")), "did not come in the time that is allowed");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
  settings = allowing({web.host()});
  settings.most_fetches = 1;
  Fetcher once(settings, {});
  EXPECT_EQ(once.fetch(web.at("/picture")).size(), 5u);
  EXPECT_EQ(message_of<UsageError>([&] { once.fetch(web.at("/picture")); }),
            "more than 1 addresses in one request");
}

TEST(Fetcher, WhatIsNotThereIsSaid) {
  const Web web;
  EXPECT_EQ(complaint(allowing({web.host()}), web.at("/nowhere")),
            "could not be fetched: status 404");
  EXPECT_EQ(fetched(allowing({web.host()}), web.at("/empty")), "");
}

TEST(Fetcher, NobodyWaitsForAClientThatLeft) {
  const Web web;
  const auto settings = allowing({web.host()});
  Fetcher fetcher(settings, [] { return true; });
  EXPECT_THROW(fetcher.fetch(web.at("/slow")), ClientLeft);
}

TEST(Fetcher, CertificatesAreChecked) {
  const auto folder = new_folder("server_fetch");
  const std::string key = (folder / "key.pem").string(), certificate = folder / "cert.pem";
  const std::string command =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost "
      "-addext subjectAltName=DNS:localhost -keyout " +
      key + " -out " + certificate + " 2>/dev/null";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "openssl makes no certificate here";
  const Web<httplib::SSLServer> web(certificate.c_str(), key.c_str());
  const Web plain;
  auto settings = allowing({web.host("localhost"), web.host("127.0.0.1"), plain.host()});
  EXPECT_TRUE(complaint(settings, web.at("/picture", "localhost")).starts_with("could not be "));
  settings.authorities = certificate;
  EXPECT_EQ(fetched(settings, web.at("/picture", "localhost")), "bytes");
  // It is made out to another name.
  EXPECT_TRUE(complaint(settings, web.at("/picture")).starts_with("could not be fetched: "));
  EXPECT_EQ(complaint(settings, web.at("/to?at=", "localhost") + plain.at("/picture")),
            "leads from https to http");
  EXPECT_EQ(plain.seen, 0);
}

std::string about(const std::string& address) {
  return R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ")" +
         address + "\"}}]}]}";
}

TEST(Fetcher, RequestsNamePicturesByAddress) {
  const Web web;
  const Running closed;
  EXPECT_EQ(closed.post("/v1/chat/completions", about(web.at("/picture")))->status, 400);
  EXPECT_EQ(web.seen, 0);
  Settings settings;
  settings.fetch = allowing({web.host()});
  const Running open({}, settings);
  EXPECT_EQ(open.post("/v1/chat/completions", about(web.at("/picture")))->status, 200);
  EXPECT_EQ(web.seen, 1);
  {
    const std::lock_guard lock(open.log->mutex);
    EXPECT_EQ(open.log->questions.at(0).request.messages.at(0).content.at(0).data.size(), 5u);
  }
  const auto refused = open.post("/v1/chat/completions", about("http://127.0.0.1:1/picture"));
  EXPECT_EQ(refused->status, 400);
  EXPECT_EQ(json_of(refused)["error"]["message"],
            "request: messages[0].content[0].image_url.url: this server fetches nothing from "
            "127.0.0.1 port 1; send the file itself");
  const auto nothing = open.post("/v1/chat/completions", about(web.at("/empty")));
  EXPECT_EQ(json_of(nothing)["error"]["message"],
            "request: messages[0].content[0].image_url.url: there is nothing at that address");
}

}  // namespace
}  // namespace isthmus::server
