#include "visit.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <random>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/log.h"

namespace isthmus::server {
namespace {

constexpr size_t kLongestId = 64;

bool is_plain(const std::string& id) {
  return !id.empty() && id.size() <= kLongestId && std::ranges::all_of(id, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

std::string new_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}", random(), random(), random());
}

// For one field of a line: no line break, no quote that ends it.
std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

}  // namespace

void Visits::begin() {
  const std::lock_guard lock(mutex_);
  ++count_;
}

void Visits::end() {
  const std::lock_guard lock(mutex_);
  --count_;
  changed_.notify_all();
}

bool Visits::wait_until(serving::Clock::time_point until) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, until, [&] { return count_ == 0; });
}

Visit::Visit(const httplib::Request& request, httplib::Response& response, std::string route,
             Meters& meters, Visits& visits)
    : client_(request.remote_addr),
      method_(request.method),
      path_(request.path),
      route_(std::move(route)),
      meters_(meters),
      visits_(visits) {
  const std::string given = request.get_header_value("X-Request-Id");
  id_ = is_plain(given) ? given : new_id();
  response.set_header("X-Request-Id", id_);
  response.set_header("request-id", id_);  // Anthropic's clients look here
  visits_.begin();
}

double Visit::seconds() const {
  return std::chrono::duration<double>(serving::Clock::now() - began_).count();
}

Visit::~Visit() {
  meters_.response(route_, status);
  std::string line = fmt::format(
      "time={:%Y-%m-%dT%H:%M:%SZ} request={} client={} method={} path={} status={} seconds={:.3f}",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())), id_,
      client_, method_, in_quotes(path_), status, seconds());
  if (!model.empty()) {
    line += fmt::format(
        " model={} stream={} prompt_tokens={} reused_tokens={} tokens={} first_piece_s={:.3f}",
        in_quotes(model), streams, prompt_tokens, reused_tokens, generated_tokens, first_piece);
    meters_.request(model, seconds());
  }
  if (!outcome.empty()) line += " end=" + outcome;
  if (!detail.empty()) line += " error=" + in_quotes(detail);
  if (status >= 500)
    log::warn(line);
  else
    log::info(line);
  visits_.end();
}

}  // namespace isthmus::server
