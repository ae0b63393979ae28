#include "server.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <new>
#include <thread>
#include <utility>

#include <sys/socket.h>

#include <fmt/format.h>
#include <httplib.h>
#include <nlohmann/json.hpp>

#include "access.h"
#include "aligners.h"
#include "api.h"
#include "body_reader.h"
#include "connection_threads.h"
#include "isthmus/error.h"
#include "isthmus/version.h"
#include "openapi.h"
#include "page.h"
#include "protocol/ollama_cards.h"
#include "protocol/openai_cards.h"
#include "routes.h"
#include "visit.h"

namespace isthmus::server {
namespace {

using protocol::Dialect;
using protocol::Failure;

constexpr int kBacklog = 1024;    // httplib's own is 5: a burst of clients would be turned away
constexpr int kClientLeft = 499;  // nginx's number for it, in the log; nobody hears it
constexpr size_t kRequestsPerConnection = 1000;
constexpr int kComeBackLater = 5;  // seconds

// An httplib server, with or without TLS, whose queue of new connections can be made longer.
template <typename Base>
class Listening : public Base {
 public:
  using Base::Base;
  void deepen() { ::listen(this->svr_sock_, kBacklog); }
};

// Not SO_REUSEPORT, with which a second server on the same port would take every other client.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

void write_json(httplib::Response& response, const protocol::Json& json) {
  response.set_content(protocol::dumped(json), "application/json");
}

}  // namespace

struct Server::State {
  State(Settings given, std::unique_ptr<Models> all)
      : settings(std::move(given)),
        models(std::move(all)),
        access(settings),
        api(settings, *models, meters),
        aligners(settings, *models) {}

  void make_http();
  void set_routes();
  void post(const Route& route, const httplib::Request& request, httplib::Response& response,
            const httplib::ContentReader& read);
  void get(const Look& look, const httplib::Request& request, httplib::Response& response);
  void remove(const Look& look, const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader& read);
  // Neither a route nor a file of the page.
  void not_found(const httplib::Request& request, httplib::Response& response);
  void page(const httplib::Request& request, httplib::Response& response);
  void guarded(const std::shared_ptr<Visit>& visit, Dialect dialect, httplib::Response& response,
               const std::function<void()>& handle) const;
  std::shared_ptr<Visit> visit(const httplib::Request& request, httplib::Response& response,
                               const char* route) {
    access.admit_origin(request, response);
    return std::make_shared<Visit>(request, response, route, meters, visits);
  }

  const Settings settings;
  std::unique_ptr<Models> models;
  Meters meters;
  Access access;
  Visits visits;
  Api api;
  Aligners aligners;
  std::unique_ptr<httplib::Server> http;
  std::function<void()> deepen;
  std::thread listener;
  std::atomic<bool> draining = false;
  int port = 0;
  const int64_t started = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
};

// One place where all that can go wrong becomes an answer.
void Server::State::guarded(const std::shared_ptr<Visit>& visit, Dialect dialect,
                            httplib::Response& response,
                            const std::function<void()>& handle) const {
  const auto refuse = [&](const Failure& failure, const std::string& detail) {
    visit->status = response.status = failure.status;
    visit->detail = detail;
    if (failure.retry_after > 0)
      response.set_header("Retry-After", std::to_string(failure.retry_after));
    response.set_content(protocol::error_body(failure, dialect, visit->id()), "application/json");
  };
  try {
    handle();
  } catch (const ClientLeft&) {
    visit->status = response.status = kClientLeft;
    visit->outcome = "left";
  } catch (const NoAnswer& none) {
    refuse(none.failure, visit->detail.empty() ? none.failure.message : visit->detail);
  } catch (const Failure& failure) {
    refuse(failure, failure.message);
  } catch (const BodyRefused& refused) {
    refuse({refused.status, refused.message, ""}, refused.message);
  } catch (const NoSuchModel& none) {
    refuse({404, none.message, "model"}, none.message);
  } catch (const serving::NoSuchAligner& none) {
    refuse({404, none.message, "aligner"}, none.message);
  } catch (const serving::Busy& busy) {
    refuse({503, "too many questions are waiting; ask again later", "",
            static_cast<int>(busy.retry_after.count())},
           "busy");
  } catch (const Error& error) {
    refuse(protocol::failure_of(error.exit_code(), error.what(), visit->id()), error.what());
  } catch (const std::bad_alloc&) {
    refuse({503, "the server is out of memory", "", kComeBackLater}, "out of memory");
  } catch (const std::exception& error) {
    refuse(protocol::failure_of(InternalError("").exit_code(), error.what(), visit->id()),
           error.what());
  }
}

void Server::State::post(const Route& route, const httplib::Request& request,
                         httplib::Response& response, const httplib::ContentReader& read) {
  const auto visit = this->visit(request, response, route.path);
  guarded(visit, route.dialect, response, [&] {
    if (const auto refusal = access.refusal(request, /*needs_key=*/true)) {
      skip_body(request, read, settings);
      throw *refusal;
    }
    const std::string body = read_body(request, read, settings);
    if (draining) throw Failure{503, "the server is shutting down", "", kComeBackLater};
    switch (route.kind) {
      case Route::Kind::kConversation:
        return api.converse(route.open, body, request, response, visit);
      case Route::Kind::kEmbeddings: return write_json(response, api.embed(body, *visit, false));
      case Route::Kind::kOllamaEmbeddings:
        return write_json(response, api.embed(body, *visit, true));
      case Route::Kind::kCountTokens: return write_json(response, api.count_tokens(body, *visit));
      case Route::Kind::kShow: return write_json(response, api.show(body));
      case Route::Kind::kAddAligner: return write_json(response, aligners.add(body));
      case Route::Kind::kAddLora: return write_json(response, aligners.add_lora(body));
      case Route::Kind::kRemoveLora: return write_json(response, aligners.remove_lora(body));
    }
  });
}

void Server::State::get(const Look& look, const httplib::Request& request,
                        httplib::Response& response) {
  const auto visit = this->visit(request, response, look.path);
  guarded(visit, look.dialect, response, [&] {
    if (const auto refusal = access.refusal(request, look.needs_key)) throw *refusal;
    const std::string_view path = look.path;
    if (path == "/health") {
      if (draining) throw Failure{503, "the server is shutting down", "", kComeBackLater};
      write_json(response, {{"status", "ok"}});
    } else if (path == "/metrics") {
      response.set_content(meters.text(models->loads()), "text/plain; version=0.0.4");
    } else if (path == "/openapi.json") {
      std::vector<std::string> names;
      for (const serving::Card& card : models->cards()) names.push_back(card.name);
      write_json(response, openapi(names, !settings.api_keys.empty()));
    } else if (path == "/api/version") {
      write_json(response, {{"version", version()}});
    } else if (path == "/v1/models") {
      write_json(response, protocol::model_list(models->cards(), started));
    } else if (path == "/v1/models/{model}") {
      write_json(response, protocol::model_card(models->card(request.matches[1].str()), started));
    } else if (path == "/v1/aligners") {
      write_json(response, aligners.list());
    } else {
      write_json(response, protocol::ollama_tags(models->cards(), started));
    }
  });
}

void Server::State::remove(const Look& look, const httplib::Request& request,
                           httplib::Response& response, const httplib::ContentReader& read) {
  const auto visit = this->visit(request, response, look.path);
  guarded(visit, look.dialect, response, [&] {
    skip_body(request, read, settings);
    if (const auto refusal = access.refusal(request, look.needs_key)) throw *refusal;
    write_json(response, aligners.remove(request.matches[1].str()));
  });
}

void Server::State::page(const httplib::Request& request, httplib::Response& response) {
  for (const PageFile& file : page_files()) {
    if (file.path != request.path) continue;
    const auto visit = this->visit(request, response, "page");
    guarded(visit, Dialect::kOpenAi, response, [&] {
      if (const auto refusal = access.refusal(request, /*needs_key=*/false)) throw *refusal;
      response.set_header(
          "Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
          "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'");
      response.set_header("Cache-Control", "no-cache");
      response.set_content(file.content.data(), file.content.size(), std::string(file.type));
    });
    return;
  }
  if (request.path == "/")
    return response.set_content("Isthmus answers here; /openapi.json lists how to ask.\n",
                                "text/plain");
  not_found(request, response);
}

void Server::State::not_found(const httplib::Request& request, httplib::Response& response) {
  const auto visit = this->visit(request, response, "other");
  guarded(visit, dialect_of(request.path), response, [&] {
    throw Failure{404,
                  fmt::format("there is nothing at {} {}; /openapi.json lists what there is",
                              request.method, request.path),
                  ""};
  });
}

void Server::State::set_routes() {
  for (const Route& route : posts())
    http->Post(route.path,
               [this, &route](const httplib::Request& request, httplib::Response& response,
                              const httplib::ContentReader& read) {
                 post(route, request, response, read);
               });
  for (const Look& look : gets()) {
    const std::string path = look.path;
    const size_t name = path.find("{model}");  // names may have slashes in them
    http->Get(name == std::string::npos ? path : path.substr(0, name) + "(.+)",
              [this, &look](const httplib::Request& request, httplib::Response& response) {
                get(look, request, response);
              });
  }
  http->Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
    page(request, response);
  });
  http->Options(".*", [this](const httplib::Request& request, httplib::Response& response) {
    access.admit_origin(request, response);
    response.status = 204;
  });
  for (const Look& look : deletes()) {
    const std::string path = look.path;
    http->Delete(path.substr(0, path.find('{')) + "(.+)",
                 [this, &look](const httplib::Request& request, httplib::Response& response,
                               const httplib::ContentReader& read) {
                   remove(look, request, response, read);
                 });
  }
  const auto nothing_there = [this](const httplib::Request& request, httplib::Response& response,
                                    const httplib::ContentReader& read) {
    skip_body(request, read, settings);
    not_found(request, response);
  };
  http->Post(".*", nothing_there).Put(".*", nothing_there);
  http->Patch(".*", nothing_there).Delete(".*", nothing_there);
  // What httplib itself refuses: a broken request line, too many or too long headers.
  http->set_error_handler([](const httplib::Request& request, httplib::Response& response) {
    if (response.body.empty() && response.status != kClientLeft)
      response.set_content(
          protocol::error_body({response.status, "the request is not HTTP as it should be", ""},
                               dialect_of(request.path), ""),
          "application/json");
  });
}

void Server::State::make_http() {
  if (settings.certificate.empty() != settings.private_key.empty())
    throw UsageError("TLS needs both a certificate and its key (--cert, --key)");
  if (settings.certificate.empty()) {
    auto plain = std::make_unique<Listening<httplib::Server>>();
    deepen = [raw = plain.get()] { raw->deepen(); };
    http = std::move(plain);
  } else {
    auto secure = std::make_unique<Listening<httplib::SSLServer>>(settings.certificate.c_str(),
                                                                  settings.private_key.c_str());
    if (!secure->is_valid())
      throw UsageError(fmt::format("{} and {}: not a certificate and its key, as PEM",
                                   settings.certificate.string(), settings.private_key.string()));
    deepen = [raw = secure.get()] { raw->deepen(); };
    http = std::move(secure);
  }
  http->new_task_queue = [this] { return new ConnectionThreads(settings.most_connections); };
  http->set_socket_options(set_socket_options);
  http->set_tcp_nodelay(true);
  http->set_keep_alive_max_count(kRequestsPerConnection);
  http->set_read_timeout(settings.patience.count());
  http->set_write_timeout(settings.patience.count());
  http->set_default_headers(
      {{"Server", fmt::format("isthmus/{}", version())}, {"X-Content-Type-Options", "nosniff"}});
}

Server::Server(Settings settings, std::unique_ptr<Models> models)
    : state_(std::make_unique<State>(std::move(settings), std::move(models))) {}

Server::~Server() { drain(serving::Clock::now()); }

void Server::start() {
  State& s = *state_;
  s.make_http();
  s.set_routes();
  errno = 0;
  if (s.settings.port == 0)
    s.port = s.http->bind_to_any_port(s.settings.host);
  else
    s.port = s.http->bind_to_port(s.settings.host, s.settings.port) ? s.settings.port : -1;
  if (s.port <= 0)
    throw UsageError(fmt::format("{}:{}: cannot be listened on: {}", s.settings.host,
                                 s.settings.port,
                                 errno != 0 ? std::strerror(errno) : "no such address"));
  s.deepen();
  s.listener = std::thread([&s] { s.http->listen_after_bind(); });
  // Until it runs, httplib does not hear that it is to stop.
  while (!s.http->is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

int Server::port() const { return state_->port; }

std::string Server::url() const {
  const Settings& settings = state_->settings;
  const bool is_v6 = settings.host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}", settings.certificate.empty() ? "http" : "https",
                     is_v6 ? "[" + settings.host + "]" : settings.host, state_->port);
}

void Server::drain(serving::Clock::time_point until) {
  State& s = *state_;
  if (!s.listener.joinable()) return;
  s.draining = true;
  s.models->drain(until);
  // What is answered is still to be written, to clients that may read slowly.
  s.visits.wait_until(std::max(until, serving::Clock::now() + s.settings.patience));
  s.http->stop();
  s.listener.join();
}

}  // namespace isthmus::server
