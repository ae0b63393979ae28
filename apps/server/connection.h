// The connection behind a request.
#pragma once

#include <httplib.h>

namespace isthmus::server {

// httplib shows a handler the addresses of a connection but not the connection, so it is looked up
// among the open files by them. Valid while the request is handled.
class Connection {
 public:
  explicit Connection(const httplib::Request& request);
  // Closed, or closed for sending: whoever says nothing more wants no answer.
  bool left() const;
  // What the client sends from now on is not read: after a body was refused half way, its rest
  // would be taken for the next request.
  void stop_reading() const;

 private:
  int socket_ = -1;  // -1: not found
};

}  // namespace isthmus::server
