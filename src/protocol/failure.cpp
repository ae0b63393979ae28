#include "protocol/failure.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/body.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {
namespace {

// The caller can do something about it: usage, input, what is not supported, the length of the
// context.
bool is_of_the_client(int code) { return code == 2 || code == 3 || code == 5 || code == 6; }

std::string openai_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    case 504: return "timeout_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

// Anthropic's own list of error types.
std::string anthropic_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    case 504: return "timeout_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

Json openai_code(const Failure& failure) {
  if (failure.status == 401) return "invalid_api_key";
  if (failure.status == 404) return "not_found";
  if (failure.status == 413) return "request_too_large";
  return nullptr;
}

// "messages[0].content" of "request: messages[0].content: expected …".
std::string field_of(const std::string& message) {
  const std::string source = std::string(kBodySource) + ": ";
  if (!message.starts_with(source)) return "";
  const size_t end = message.find(": ", source.size());
  const std::string field =
      end == std::string::npos ? "" : message.substr(source.size(), end - source.size());
  return field.find(' ') == std::string::npos ? field : "";
}

}  // namespace

Failure failure_of(int code, const std::string& message, const std::string& request_id) {
  if (is_of_the_client(code)) return {400, message, field_of(message)};
  return {500,
          fmt::format("the server could not answer; its log says why under request {}", request_id),
          ""};
}

std::string error_body(const Failure& failure, Dialect dialect, const std::string& request_id) {
  switch (dialect) {
    case Dialect::kAnthropic:
      return dumped(
          {{"type", "error"},
           {"error", {{"type", anthropic_type(failure.status)}, {"message", failure.message}}},
           {"request_id", request_id}});
    case Dialect::kOllama: return dumped({{"error", failure.message}});
    case Dialect::kOpenAi: break;
  }
  Json error{{"message", failure.message}, {"type", openai_type(failure.status)}};
  error["param"] = failure.field.empty() ? Json(nullptr) : Json(failure.field);
  error["code"] = openai_code(failure);
  return dumped({{"error", std::move(error)}});
}

}  // namespace isthmus::protocol
