// What the routes do: bodies become questions, events answers.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <httplib.h>

#include "base/json_view.h"
#include "meters.h"
#include "models.h"
#include "protocol/exchange.h"
#include "settings.h"
#include "visit.h"

namespace isthmus::server {

class Answering;
class Connection;

// Any thread.
class Api {
 public:
  using Opener = std::unique_ptr<protocol::Exchange> (*)(const JsonView&, const protocol::Context&);

  Api(const Settings& settings, const Models& models, Meters& meters)
      : settings_(settings), models_(models), meters_(meters) {}

  // Answers at once or as a stream, as the body asks. Errors are thrown up to the first byte.
  void converse(Opener open, const std::string& body, const httplib::Request& request,
                httplib::Response& response, const std::shared_ptr<Visit>& visit) const;
  // A body in, a body out.
  protocol::Json embed(const std::string& body, Visit& visit, bool ollama) const;
  protocol::Json count_tokens(const std::string& body, Visit& visit) const;
  protocol::Json show(const std::string& body) const;

 private:
  // `client_left` is asked while something is fetched; empty: nobody looks.
  protocol::Context context_for(const Models::Chosen& chosen, Visit& visit,
                                std::function<bool()> client_left = {}) const;
  void stream(std::shared_ptr<Answering> answering, const Connection& connection,
              httplib::Response& response, const std::shared_ptr<Visit>& visit,
              std::string begun) const;

  const Settings& settings_;
  const Models& models_;
  Meters& meters_;
};

// The client has gone; nobody reads what is answered.
struct ClientLeft {};
// It came to an end before there was an answer.
struct NoAnswer {
  protocol::Failure failure;
};

}  // namespace isthmus::server
