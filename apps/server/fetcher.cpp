#include "fetcher.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "api.h"
#include "isthmus/error.h"
#include "isthmus/version.h"

namespace isthmus::server {
namespace {

using namespace std::chrono_literals;

struct Place {
  std::string address, scheme, host;
  uint16_t port = 0;
};

void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw ResourceError("libcurl cannot start");
}

std::optional<std::string> piece_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return std::nullopt;
  std::string piece(text);
  curl_free(text);
  return piece;
}

Place place_of(const std::string& address) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  if (!url || address.size() > 8192 ||
      curl_url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK)
    throw UsageError("is no address of the web");
  if (piece_of(url.get(), CURLUPART_USER) || piece_of(url.get(), CURLUPART_PASSWORD))
    throw UsageError("names and passwords in addresses are not passed on; leave them out");
  Place place;
  place.scheme = piece_of(url.get(), CURLUPART_SCHEME).value_or("");
  if (place.scheme != "http" && place.scheme != "https")
    throw UsageError("only http and https are fetched");
  curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  place.address = piece_of(url.get(), CURLUPART_URL).value_or("");
  place.host = piece_of(url.get(), CURLUPART_HOST).value_or("");
  for (char& c : place.host)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  if (place.host.ends_with('.')) place.host.pop_back();
  const std::string port = piece_of(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("");
  std::from_chars(port.data(), port.data() + port.size(), place.port);
  return place;
}

}  // namespace

// One request to one host, and what came of it.
class Fetcher::Hop {
 public:
  Hop(const Fetcher& fetcher, size_t most_bytes) : fetcher_(fetcher), most_bytes_(most_bytes) {}

  // The bytes, or the address to go on to.
  struct Outcome {
    std::vector<std::byte> bytes;
    std::string redirect;
  };
  Outcome perform(const Place& place);

 private:
  static curl_socket_t open_socket(void* hop, curlsocktype purpose, curl_sockaddr* address);
  static size_t write(char* data, size_t one, size_t size, void* hop);
  static int progress(void* hop, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  std::string complaint(CURLcode code) const;

  const Fetcher& fetcher_;
  size_t most_bytes_;
  std::vector<std::byte> bytes_;
  bool forbidden_ = false, too_large_ = false, client_left_ = false;
};

// Called with the address that the connection is about to be made to.
curl_socket_t Fetcher::Hop::open_socket(void* hop, curlsocktype purpose, curl_sockaddr* address) {
  Hop& self = *static_cast<Hop*>(hop);
  const Reach reach = reach_of(address->addr);
  const bool allowed = purpose == CURLSOCKTYPE_IPCXN &&
                       (reach == Reach::kPublic ||
                        (reach == Reach::kPrivate && self.fetcher_.settings_.private_addresses));
  if (!allowed) {
    self.forbidden_ = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t Fetcher::Hop::write(char* data, size_t, size_t size, void* hop) {
  Hop& self = *static_cast<Hop*>(hop);
  if (size > self.most_bytes_ - self.bytes_.size()) {
    self.too_large_ = true;
    return CURL_WRITEFUNC_ERROR;
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  self.bytes_.insert(self.bytes_.end(), bytes, bytes + size);
  return size;
}

int Fetcher::Hop::progress(void* hop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  Hop& self = *static_cast<Hop*>(hop);
  self.client_left_ = self.fetcher_.client_left_ && self.fetcher_.client_left_();
  return self.client_left_ ? 1 : 0;
}

std::string Fetcher::Hop::complaint(CURLcode code) const {
  if (too_large_ || code == CURLE_FILESIZE_EXCEEDED)
    return fmt::format("what lies there is larger than the {} bytes that a request may still fetch",
                       most_bytes_);
  if (forbidden_) return "leads to where this server fetches nothing from";
  if (code == CURLE_OPERATION_TIMEDOUT) return "did not come in the time that is allowed";
  return fmt::format("could not be fetched: {}", curl_easy_strerror(code));
}

Fetcher::Hop::Outcome Fetcher::Hop::perform(const Place& place) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(),
                                                                   &curl_easy_cleanup);
  CURL* curl = handle.get();
  if (curl == nullptr) throw ResourceError("libcurl has no handle");
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      fetcher_.deadline_ - std::chrono::steady_clock::now());
  if (left <= 0ms) throw UsageError(complaint(CURLE_OPERATION_TIMEDOUT));
  const std::string agent = "isthmus/" + std::string(version());
  bool set = true;
  const auto option = [&](CURLoption name, auto value) {
    set = set && curl_easy_setopt(curl, name, value) == CURLE_OK;
  };
  option(CURLOPT_URL, place.address.c_str());
  option(CURLOPT_PROTOCOLS_STR, "http,https");
  option(CURLOPT_FOLLOWLOCATION, 0L);
  option(CURLOPT_PROXY, "");  // whatever the environment says: addresses are checked here
  option(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  option(CURLOPT_NOSIGNAL, 1L);
  option(CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
  option(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(most_bytes_));
  option(CURLOPT_SSL_VERIFYPEER, 1L);
  option(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!fetcher_.settings_.authorities.empty())
    option(CURLOPT_CAINFO, fetcher_.settings_.authorities.c_str());
  option(CURLOPT_USERAGENT, agent.c_str());
  option(CURLOPT_OPENSOCKETFUNCTION, &Hop::open_socket);
  option(CURLOPT_OPENSOCKETDATA, this);
  option(CURLOPT_WRITEFUNCTION, &Hop::write);
  option(CURLOPT_WRITEDATA, this);
  option(CURLOPT_XFERINFOFUNCTION, &Hop::progress);
  option(CURLOPT_XFERINFODATA, this);
  option(CURLOPT_NOPROGRESS, 0L);
  if (!set) throw ResourceError("libcurl does not take its settings");
  const CURLcode code = curl_easy_perform(curl);
  if (client_left_) throw ClientLeft();
  if (code != CURLE_OK) throw UsageError(complaint(code));
  long status = 0;
  char* redirect = nullptr;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &redirect);
  if (status / 100 == 3 && redirect != nullptr) return {{}, redirect};
  if (status != 200) throw UsageError(fmt::format("could not be fetched: status {}", status));
  return {std::move(bytes_), ""};
}

Fetcher::Fetcher(const FetchSettings& settings, std::function<bool()> client_left)
    : settings_(settings),
      client_left_(std::move(client_left)),
      hosts_(settings.hosts.begin(), settings.hosts.end()),
      deadline_(std::chrono::steady_clock::now() + settings.patience),
      bytes_left_(settings.most_bytes),
      fetches_left_(settings.most_fetches) {}

std::vector<std::byte> Fetcher::fetch(const std::string& address) {
  start_curl();
  if (--fetches_left_ < 0)
    throw UsageError(fmt::format("more than {} addresses in one request", settings_.most_fetches));
  Place place = place_of(address);
  for (int redirects = 0;; ++redirects) {
    if (std::ranges::none_of(
            hosts_, [&](const HostPattern& host) { return host.matches(place.host, place.port); }))
      throw UsageError(redirects > 0 ? "leads to a host that this server fetches nothing from"
                                     : fmt::format("this server fetches nothing from {} port {}; "
                                                   "send the file itself",
                                                   place.host, place.port));
    Hop hop(*this, bytes_left_);
    Hop::Outcome outcome = hop.perform(place);
    if (outcome.redirect.empty()) {
      bytes_left_ -= outcome.bytes.size();
      return std::move(outcome.bytes);
    }
    if (redirects == settings_.most_redirects)
      throw UsageError(fmt::format("leads on more than {} times", settings_.most_redirects));
    const bool was_secure = place.scheme == "https";
    place = place_of(outcome.redirect);
    if (was_secure && place.scheme != "https") throw UsageError("leads from https to http");
  }
}

}  // namespace isthmus::server
