#include "access.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace isthmus::server {
namespace {

// Takes as long wherever the two differ.
bool same(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// "127.0.0.1" of "127.0.0.1:8642", "::1" of "[::1]:8642".
std::string without_port(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool is_loopback(const std::string& host) {
  constexpr std::array<std::string_view, 3> kNames{"localhost", "127.0.0.1", "::1"};
  return std::ranges::find(kNames, host) != kNames.end() || host.ends_with(".localhost");
}

std::string shown_key(const httplib::Request& request) {
  const std::string authorization = request.get_header_value("Authorization");
  constexpr std::string_view kScheme = "bearer ";
  const auto equal = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  };
  if (authorization.size() > kScheme.size() &&
      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                 [&](char b, char a) { return equal(a, b); }))
    return authorization.substr(kScheme.size());
  return request.get_header_value("x-api-key");
}

}  // namespace

Access::Access(const Settings& settings)
    : keys_(settings.api_keys),
      origins_(settings.cors_origins),
      any_origin_(std::ranges::find(origins_, "*") != origins_.end()),
      local_(is_loopback(settings.host)) {}

std::string client_of(const httplib::Request& request, const Settings& settings) {
  return settings.api_keys.empty() ? request.remote_addr : shown_key(request);
}

bool Access::has_key(const httplib::Request& request) const {
  const std::string shown = shown_key(request);
  // All are compared, so that the time does not tell which came close.
  bool found = false;
  for (const std::string& key : keys_) found = same(key, shown) || found;
  return found;
}

bool Access::is_allowed(const std::string& origin) const {
  return any_origin_ || std::ranges::find(origins_, origin) != origins_.end();
}

std::optional<protocol::Failure> Access::refusal(const httplib::Request& request,
                                                 bool needs_key) const {
  const std::string origin = request.get_header_value("Origin");
  const std::string host = request.get_header_value("Host");
  const bool own_page = origin == "http://" + host || origin == "https://" + host;
  // Any page that a user opens can make the browser send a request here, allowed to read the answer
  // or not; and a page can have its name lead to this machine.
  if (!origin.empty() && !own_page && !is_allowed(origin))
    return protocol::Failure{403, fmt::format("pages of {} may not ask here (--cors)", origin), ""};
  if (local_ && keys_.empty() && !host.empty() && !is_loopback(without_port(host)))
    return protocol::Failure{
        403, "this server is for this machine alone; it is not called " + without_port(host), ""};
  if (!needs_key || keys_.empty() || has_key(request)) return std::nullopt;
  return protocol::Failure{
      401, "a key is needed: \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"", ""};
}

void Access::admit_origin(const httplib::Request& request, httplib::Response& response) const {
  const std::string origin = request.get_header_value("Origin");
  if (origin.empty() || !is_allowed(origin)) return;
  response.set_header("Access-Control-Allow-Origin", any_origin_ ? "*" : origin);
  response.set_header("Vary", "Origin");
  response.set_header("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  if (request.method != "OPTIONS") return;
  response.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  const std::string asked = request.get_header_value("Access-Control-Request-Headers");
  response.set_header("Access-Control-Allow-Headers",
                      asked.empty() ? "Authorization, Content-Type, x-api-key" : asked);
  response.set_header("Access-Control-Max-Age", "3600");
}

}  // namespace isthmus::server
