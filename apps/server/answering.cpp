#include "answering.h"

#include <chrono>
#include <utility>

namespace isthmus::server {

Answering::Answering(std::unique_ptr<protocol::Exchange> exchange, serving::Service& service,
                     Meters& meters, Visit& visit)
    : exchange_(std::move(exchange)), meters_(meters), visit_(visit) {
  for (serving::Question& question : exchange_->questions) {
    // Media may be large; the exchange needs no more than the rest.
    Request bare;
    bare.generate = question.request.generate;
    Request whole = std::exchange(question.request, std::move(bare));
    serving::Question asked = question;
    asked.request = std::move(whole);
    tickets_.push_back(service.ask(std::move(asked)));
  }
}

Answering::~Answering() {
  visit_.prompt_tokens = exchange_->prompt_tokens();
  visit_.reused_tokens = exchange_->reused_tokens();
  visit_.generated_tokens = exchange_->generated_tokens();
}

void Answering::cancel() {
  for (const auto& ticket : tickets_) ticket->cancel();
}

bool Answering::step(serving::Clock::duration patience, std::string& out) {
  while (current_ < tickets_.size() && tickets_[current_]->done()) ++current_;
  if (done()) return true;
  const auto event = tickets_[current_]->next(patience);
  if (!event) return tickets_[current_]->done();
  if (const auto* failed = std::get_if<serving::Failed>(&*event)) {
    failed_ = *failed;
    visit_.outcome = "failed";
    visit_.detail = failed->message;
    cancel();
    return true;
  }
  note(*event);
  out += exchange_->take(current_, *event);
  while (current_ < tickets_.size() && tickets_[current_]->done()) ++current_;
  return true;
}

void Answering::note(const serving::Event& event) {
  const auto now = serving::Clock::now();
  if (std::holds_alternative<serving::Piece>(event)) {
    if (last_piece_ == serving::Clock::time_point()) {
      visit_.first_piece = visit_.seconds();
      meters_.first_token(visit_.model, visit_.first_piece);
    } else {
      meters_.next_token(visit_.model, std::chrono::duration<double>(now - last_piece_).count());
    }
    last_piece_ = now;
  } else if (const auto* end = std::get_if<serving::Finished>(&event)) {
    if (visit_.outcome.empty()) visit_.outcome = end->reason;
    meters_.finished(visit_.model, end->reason, end->timings);
  }
}

}  // namespace isthmus::server
