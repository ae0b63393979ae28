// From where a server may fetch what requests only name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>

namespace isthmus::server {

// "example.org", "*.example.org" (every name below it, not itself), either with ":8080". Throws
// UsageError for anything else: addresses with a scheme or a path, a star elsewhere.
class HostPattern {
 public:
  explicit HostPattern(std::string_view text);
  // `host` in lower case. Without a port in the pattern only 80 and 443 match.
  bool matches(std::string_view host, uint16_t port) const;

 private:
  std::string host_;
  bool below_ = false;
  uint16_t port_ = 0;  // 0: none given
};

// Where an address leads.
enum class Reach {
  kPublic,   // the internet
  kPrivate,  // this machine, or a network behind it
  kNever,    // link-local, multicast, reserved, and where clouds keep credentials
};
Reach reach_of(const sockaddr& address);

}  // namespace isthmus::server
