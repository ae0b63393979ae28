#include "fetch_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::server {
namespace {

struct Range4 {
  uint32_t first;
  int bits;
  Reach reach;
};

constexpr uint32_t ip4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// IANA IPv4 Special-Purpose Address Registry; the first that holds an address decides.
constexpr std::array kRanges4{
    Range4{ip4(100, 100, 100, 200), 32, Reach::kNever},  // metadata of a cloud
    Range4{ip4(0, 0, 0, 0), 8, Reach::kNever},
    Range4{ip4(10, 0, 0, 0), 8, Reach::kPrivate},
    Range4{ip4(100, 64, 0, 0), 10, Reach::kPrivate},  // carriers' NAT
    Range4{ip4(127, 0, 0, 0), 8, Reach::kPrivate},
    Range4{ip4(169, 254, 0, 0), 16, Reach::kNever},  // link-local, and metadata of most clouds
    Range4{ip4(172, 16, 0, 0), 12, Reach::kPrivate},
    Range4{ip4(192, 0, 0, 0), 24, Reach::kNever},
    Range4{ip4(192, 0, 2, 0), 24, Reach::kNever},  // documentation
    Range4{ip4(192, 88, 99, 0), 24, Reach::kNever},
    Range4{ip4(192, 168, 0, 0), 16, Reach::kPrivate},
    Range4{ip4(198, 18, 0, 0), 15, Reach::kPrivate},  // benchmarks
    Range4{ip4(198, 51, 100, 0), 24, Reach::kNever},
    Range4{ip4(203, 0, 113, 0), 24, Reach::kNever},
    Range4{ip4(224, 0, 0, 0), 4, Reach::kNever},  // multicast
    Range4{ip4(240, 0, 0, 0), 4, Reach::kNever},
};

Reach reach_of4(uint32_t address) {
  for (const Range4& range : kRanges4)
    if ((address ^ range.first) >> (32 - range.bits) == 0) return range.reach;
  return Reach::kPublic;
}

uint32_t read4(const uint8_t* bytes) { return ip4(bytes[0], bytes[1], bytes[2], bytes[3]); }

Reach reach_of6(const in6_addr& address) {
  const uint8_t* bytes = address.s6_addr;
  const auto begins = [&](std::initializer_list<int> prefix) {
    return std::equal(prefix.begin(), prefix.end(), bytes);
  };
  // Addresses of IPv4 in other clothes: mapped, and translated (NAT64).
  if (begins({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) return reach_of4(read4(bytes + 12));
  if (begins({0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return reach_of4(read4(bytes + 12));
  if (begins({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})) return Reach::kPrivate;
  if (begins({0xfd, 0, 0x0e, 0xc2})) return Reach::kNever;  // metadata of a cloud
  if ((bytes[0] & 0xfe) == 0xfc) return Reach::kPrivate;    // unique local
  const bool global = (bytes[0] & 0xe0) == 0x20;
  // Teredo and its neighbours, documentation, 6to4: they hide another address or lead nowhere.
  const bool special = begins({0x20, 0x01, 0}) || begins({0x20, 0x01, 1}) ||
                       begins({0x20, 0x01, 0x0d, 0xb8}) || begins({0x20, 0x02});
  return global && !special ? Reach::kPublic : Reach::kNever;
}

}  // namespace

HostPattern::HostPattern(std::string_view text) {
  const auto wrong = [text] {
    return UsageError(
        fmt::format("\"{}\" names no host; expected example.org, *.example.org, or either with a "
                    "port: example.org:8080",
                    text));
  };
  std::string_view host = text;
  const size_t bracket = host.rfind(']'), colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const std::string_view port = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), port_);
    if (error != std::errc() || end != port.data() + port.size() || port_ == 0) throw wrong();
    host = host.substr(0, colon);
  }
  below_ = host.starts_with("*.");
  if (below_) host.remove_prefix(2);
  if (host.ends_with('.')) host.remove_suffix(1);
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  const bool is_literal = !below_ && host.size() > 2 && host.front() == '[' && host.back() == ']' &&
                          host.find_first_not_of("[]0123456789abcdefABCDEF:.") == host.npos;
  if (host.empty() || (!is_literal && !std::ranges::all_of(host, allowed))) throw wrong();
  for (const char c : host) host_.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
}

bool HostPattern::matches(std::string_view host, uint16_t port) const {
  if (port_ != 0 ? port != port_ : port != 80 && port != 443) return false;
  if (!below_) return host == host_;
  return host.size() > host_.size() + 1 && host.ends_with(host_) &&
         host[host.size() - host_.size() - 1] == '.';
}

Reach reach_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in own;
    std::memcpy(&own, &address, sizeof own);
    return reach_of4(ntohl(own.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 own;
    std::memcpy(&own, &address, sizeof own);
    return reach_of6(own.sin6_addr);
  }
  return Reach::kNever;
}

}  // namespace isthmus::server
