// One answer on its way: the sequence it reads, the tokens it chooses, the text they become.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/text_stream.h"
#include "families/family.h"
#include "generation/constraints.h"
#include "generation/continuation.h"
#include "serving/mailbox.h"
#include "serving/reading.h"
#include "serving/service.h"
#include "serving/variant.h"

namespace isthmus::serving {

// How long, in seconds.
double seconds(Clock::time_point from, Clock::time_point to);

// A question on its way, shared by its answers. Filled in by the scheduler's thread alone.
struct Asked {
  Question question;
  std::shared_ptr<Mailbox> mailbox;
  std::shared_ptr<const Prompt> prompt;  // null: not known yet
  std::shared_ptr<const Variant> variant;
  GenerationConfig config;  // of the request, within what there is room for
  families::StopRules rules;
  generation::Constraints* constraints = nullptr;  // of the scheduler
  double encode_seconds = 0;
  bool admitted = false;       // the event was posted
  bool answers_begun = false;  // all of them: the first has read the prompt
  int64_t reused_tokens = 0;
  std::optional<Clock::time_point> begun;  // reading
  std::optional<Clock::time_point> read;   // the prompt, all of it
  int64_t unfinished = 0;                  // answers
};

// One thread at a time.
class Answer {
 public:
  Answer(std::shared_ptr<Asked> asked, const families::Family& family, int64_t index,
         Reading reading);
  Answer(const Answer&) = delete;  // the continuation points into it
  Answer& operator=(const Answer&) = delete;

  // Chooses the token after `logits` [vocab_size] and posts what text it makes certain. Throws what
  // Continuation::extend does.
  void extend(std::span<const float> logits);
  // Posts its end, unless it has ended.
  void end(const std::string& reason);

  Asked& asked() { return *asked_; }
  const std::shared_ptr<Asked>& shared() const { return asked_; }
  bool finished() const { return finished_; }
  int64_t index() const { return index_; }
  Reading reading;

 private:
  void post_text();

  std::shared_ptr<Asked> asked_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  int64_t index_;
  engine::TextStream text_;
  bool stopped_ = false;  // by a stop string
  generation::Continuation continuation_;
  std::vector<Token> held_;  // tokens whose text is not certain yet
  bool finished_ = false;
};

// The end of an answer that never began.
void end_unbegun(Asked& asked, int64_t index, const std::string& reason);
// The end of a question that came to nothing: none of its answers is unfinished afterwards.
void fail(Asked& asked, const std::exception& error);

}  // namespace isthmus::serving
