// Who may ask: keys, and pages of other origins.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <httplib.h>

#include "protocol/failure.h"
#include "settings.h"

namespace isthmus::server {

// Whose question it is, for the order in which clients are served: that of the key, which was found
// to be good, or of the address where none is needed.
std::string client_of(const httplib::Request& request, const Settings& settings);

class Access {
 public:
  explicit Access(const Settings& settings);

  // Nothing when the request may go on. `needs_key`: it asks for more than the page and whether the
  // server is well.
  std::optional<protocol::Failure> refusal(const httplib::Request& request, bool needs_key) const;
  // Tells a browser that the page it shows may read the answer, where that is so.
  void admit_origin(const httplib::Request& request, httplib::Response& response) const;

 private:
  bool has_key(const httplib::Request& request) const;
  bool is_allowed(const std::string& origin) const;

  std::vector<std::string> keys_, origins_;
  bool any_origin_, local_;
};

}  // namespace isthmus::server
