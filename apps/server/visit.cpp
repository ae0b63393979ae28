#include "visit.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <initializer_list>
#include <random>
#include <utility>
#include <vector>

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
  using log::Quoted;
  std::vector<log::Field> fields = {
      {"request", id_},        {"client", client_},         {"method", method_},
      {"path", Quoted{path_}}, {"status", int64_t{status}}, {"seconds", seconds()}};
  if (!model.empty()) {
    const std::initializer_list<log::Field> of_answers = {
        {"model", Quoted{model}},         {"stream", streams},
        {"prompt_tokens", prompt_tokens}, {"reused_tokens", reused_tokens},
        {"tokens", generated_tokens},     {"first_piece_s", first_piece}};
    fields.insert(fields.end(), of_answers);
    meters_.request(model, seconds());
  }
  if (!outcome.empty()) fields.push_back({"end", outcome});
  if (!detail.empty()) fields.push_back({"error", Quoted{detail}});
  log::event(status >= 500 ? log::Level::kWarn : log::Level::kInfo, fields);
  visits_.end();
}

}  // namespace isthmus::server
