#include "serving/mailbox.h"

#include <utility>

namespace isthmus::serving {
namespace {

class MailboxTicket : public Ticket {
 public:
  explicit MailboxTicket(std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}
  ~MailboxTicket() override { mailbox_->cancel(); }
  std::optional<Event> next(Clock::duration patience) override { return mailbox_->next(patience); }
  bool done() const override { return mailbox_->done(); }
  void cancel() override { mailbox_->cancel(); }

 private:
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace

void Mailbox::post(Event event) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  events_.push_back(std::move(event));
  changed_.notify_all();
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void Mailbox::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
}

std::optional<Event> Mailbox::next(Clock::duration patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return !events_.empty() || closed_; });
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

bool Mailbox::done() const {
  const std::lock_guard lock(mutex_);
  return closed_ && events_.empty();
}

bool Mailbox::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

std::unique_ptr<Ticket> ticket_of(std::shared_ptr<Mailbox> mailbox) {
  return std::make_unique<MailboxTicket>(std::move(mailbox));
}

}  // namespace isthmus::serving
