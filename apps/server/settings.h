// How a server is to behave.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "isthmus/generation.h"

namespace isthmus::server {

// What one request may bring. Sizes are read from the headers of files before anything is decoded.
struct MediaCaps {
  int64_t media = 256;          // of one request, all messages together
  int64_t pixels = 64'000'000;  // of a picture, or a frame of a video
  double seconds = 3600;        // of a sound or a video, or the piece of it that is asked for
  int64_t frames = 1 << 18;     // of a video
};

// What requests may name by its address instead of bringing it.
struct FetchSettings {
  std::vector<std::string> hosts;     // HostPattern; none: nothing is fetched
  bool private_addresses = false;     // of this machine and the networks behind it, too
  std::filesystem::path authorities;  // PEM of certificates to trust; empty: the system's
  // Of one request, all it names together.
  size_t most_bytes = size_t{64} << 20;
  std::chrono::milliseconds patience{20'000};
  int most_fetches = 32;
  int most_redirects = 3;  // of one address
};

struct Settings {
  std::string host = "127.0.0.1";
  int port = 8642;                                 // 0: any that is free
  std::vector<std::string> api_keys;               // none: everybody may ask
  std::vector<std::string> cors_origins;           // "*": every page may ask
  std::filesystem::path certificate, private_key;  // PEM; empty: HTTP without TLS
  size_t longest_body = size_t{64} << 20;          // bytes
  size_t most_connections = 512;                   // at once; others wait
  std::chrono::seconds patience{15};               // with a client that sends or reads nothing
  std::chrono::seconds body_patience{120};         // with a body until it is whole
  std::chrono::seconds longest_answer{600};        // from the request to its end; 0: any
  MediaCaps caps;
  // Clients may add aligners that lie in it, and take aligners away; empty: neither.
  std::filesystem::path aligner_folder;
  FetchSettings fetch;
  GenerationConfig defaults;  // of what requests leave open
  int64_t most_answers = 16;  // to one request
};

}  // namespace isthmus::server
