// What is counted and measured, in the text format of Prometheus. Names are vLLM's behind
// "isthmus:", so that its dashboards need one word changed.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "isthmus/model.h"
#include "serving/service.h"

namespace isthmus::server {

// Any thread.
class Meters {
 public:
  Meters();
  ~Meters();

  // Seconds, of answers of the model called so.
  void first_token(const std::string& model, double seconds);
  void next_token(const std::string& model, double seconds);
  void finished(const std::string& model, const std::string& reason, const Timings& timings);
  void request(const std::string& model, double seconds);
  void response(const std::string& route, int status);

  // All of it, and what the services count themselves.
  std::string text(std::span<const std::pair<std::string, serving::Load>> loads) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace isthmus::server
