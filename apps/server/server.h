// Models behind HTTP.
#pragma once

#include <memory>
#include <string>

#include "models.h"
#include "serving/service.h"
#include "settings.h"

namespace isthmus::server {

class Server {
 public:
  Server(Settings settings, std::unique_ptr<Models> models);
  // Leaves at once, cancelling what is under way.
  ~Server();

  // Answers from here on, on threads of its own. UsageError where the address is taken or the
  // certificate cannot be used.
  void start();
  int port() const;
  std::string url() const;

  // Requests that come from now on are told to go elsewhere; those under way are answered, until
  // `until` at the latest. Then nobody is listened to any more.
  void drain(serving::Clock::time_point until);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace isthmus::server
