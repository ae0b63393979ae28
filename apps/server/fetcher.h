// Fetches what a request names by its address, where the server was told that it may.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "fetch_rules.h"
#include "settings.h"

namespace isthmus::server {

// Of one request: its bytes, its time and its number of media are counted together. Every address,
// that of each redirect too, is held against the list of hosts; and each connection is made to the
// very address that was looked at, when it is known where a name leads: no second question to DNS
// could lead elsewhere. One thread, that of the client's connection.
class Fetcher {
 public:
  // `client_left`: asked while waiting; ClientLeft is thrown once it is so.
  Fetcher(const FetchSettings& settings, std::function<bool()> client_left);

  // Throws UsageError with what a client may know: neither where a name leads nor what the other
  // side says.
  std::vector<std::byte> fetch(const std::string& address);

 private:
  class Hop;

  const FetchSettings& settings_;
  std::function<bool()> client_left_;
  std::vector<HostPattern> hosts_;
  std::chrono::steady_clock::time_point deadline_;
  size_t bytes_left_;
  int fetches_left_;
};

}  // namespace isthmus::server
