// The body of a request, within its limits.
#pragma once

#include <string>

#include <httplib.h>

#include "settings.h"

namespace isthmus::server {

struct BodyRefused {
  int status;
  std::string message;
};

// Throws BodyRefused; nothing more is then read of the connection.
std::string read_body(const httplib::Request& request, const httplib::ContentReader& read,
                      const Settings& settings);

// Reads what nobody wants, so that the client comes to hear the answer.
void skip_body(const httplib::Request& request, const httplib::ContentReader& read,
               const Settings& settings);

}  // namespace isthmus::server
