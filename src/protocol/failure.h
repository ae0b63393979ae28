// What a client is told when its request cannot be answered.
#pragma once

#include <string>

#include "serving/service.h"

namespace isthmus::protocol {

// Whose words an answer is written in.
enum class Dialect { kOpenAi, kAnthropic, kOllama };

struct Failure {
  int status;           // of HTTP
  std::string message;  // for the client
  std::string field;    // of the request, where one is at fault
  int retry_after = 0;  // seconds; 0: that is not said
};

// Of an error with this Error::exit_code. What is not the client's fault is not told in detail; the
// log has it under the id of the request.
Failure failure_of(int code, const std::string& message, const std::string& request_id);
inline Failure failure_of(const serving::Failed& failed, const std::string& request_id) {
  return failure_of(failed.code, failed.message, request_id);
}

// The body of an answer, or of the event that ends a stream.
std::string error_body(const Failure& failure, Dialect dialect, const std::string& request_id);

}  // namespace isthmus::protocol
