// Where the events of one question wait for whoever asked it.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "serving/service.h"

namespace isthmus::serving {

// Any thread. Between the scheduler, which posts, and a ticket, which takes.
class Mailbox {
 public:
  void post(Event event);
  // No event follows.
  void close();
  void cancel();

  std::optional<Event> next(Clock::duration patience);
  bool done() const;  // closed, and everything was taken
  bool cancelled() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;  // guarded by mutex_, as are these:
  bool closed_ = false, cancelled_ = false;
};

std::unique_ptr<Ticket> ticket_of(std::shared_ptr<Mailbox> mailbox);

}  // namespace isthmus::serving
