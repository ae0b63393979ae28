#include "body_reader.h"

#include <fmt/format.h>

#include "connection.h"
#include "serving/service.h"

namespace isthmus::server {
namespace {

// httplib waits for the end of the connection where neither says how long a body is.
bool has_body(const httplib::Request& request) {
  return request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
}

// A client that sends more than is read hears no answer, only that the connection broke; so
// somewhat more than is wanted is read and dropped.
constexpr size_t kMostDropped = 4;  // of the longest body

struct Outcome {
  bool whole, too_long, too_slow;
};

// Hands over what is wanted of it; what is not read must not be taken for the next request.
Outcome read_through(const httplib::Request& request, const httplib::ContentReader& read,
                     const Settings& settings, std::string* wanted) {
  if (!has_body(request)) return {true, false, false};
  const auto late = serving::Clock::now() + settings.body_patience;
  size_t seen = 0;
  Outcome outcome{};
  outcome.whole = read([&](const char* data, size_t size) {
    seen += size;
    outcome.too_long = seen > settings.longest_body;
    outcome.too_slow = serving::Clock::now() > late;
    if (outcome.too_slow || seen / kMostDropped > settings.longest_body) return false;
    if (wanted == nullptr) return true;
    if (outcome.too_long)
      std::string().swap(*wanted);
    else
      wanted->append(data, size);
    return true;
  });
  if (!outcome.whole) Connection(request).stop_reading();
  return outcome;
}

}  // namespace

std::string read_body(const httplib::Request& request, const httplib::ContentReader& read,
                      const Settings& settings) {
  std::string body;
  const Outcome outcome = read_through(request, read, settings, &body);
  if (outcome.too_slow)
    throw BodyRefused{
        408, fmt::format("the body took longer than {} seconds", settings.body_patience.count())};
  if (outcome.too_long)
    throw BodyRefused{413, fmt::format("the body is longer than {} bytes; send fewer or smaller "
                                       "media, or start the server with a higher --max-body",
                                       settings.longest_body)};
  if (!outcome.whole) throw BodyRefused{400, "the body ends before it is whole"};
  return body;
}

void skip_body(const httplib::Request& request, const httplib::ContentReader& read,
               const Settings& settings) {
  read_through(request, read, settings, nullptr);
}

}  // namespace isthmus::server
