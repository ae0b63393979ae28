// An exchange under way: events of the service become what the client is sent.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "meters.h"
#include "protocol/exchange.h"
#include "serving/service.h"
#include "visit.h"

namespace isthmus::server {

// Destroying it cancels what is not answered yet. One thread at a time.
class Answering {
 public:
  // Asks all questions. Throws what Service::ask throws.
  Answering(std::unique_ptr<protocol::Exchange> exchange, serving::Service& service, Meters& meters,
            Visit& visit);
  ~Answering();

  // Waits for an event and takes it; false when none came in that time. Text for a client that
  // streams is added to `out`.
  bool step(serving::Clock::duration patience, std::string& out);
  bool done() const { return current_ == tickets_.size() || failed_; }
  // What a question failed of; nothing more comes.
  const std::optional<serving::Failed>& failed() const { return failed_; }
  void cancel();
  protocol::Exchange& exchange() { return *exchange_; }

 private:
  void note(const serving::Event& event);

  std::unique_ptr<protocol::Exchange> exchange_;
  std::vector<std::unique_ptr<serving::Ticket>> tickets_;
  size_t current_ = 0;  // its events are taken; others wait
  std::optional<serving::Failed> failed_;
  Meters& meters_;
  Visit& visit_;
  serving::Clock::time_point last_piece_{};
};

}  // namespace isthmus::server
