// One request of one API: the questions that are in it, and how their answers are written back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "protocol/failure.h"
#include "serving/service.h"

namespace isthmus::protocol {

// Keys keep their order: clients and people read answers from the top.
using Json = nlohmann::ordered_json;

// One line. Broken UTF-8 becomes U+FFFD.
std::string dumped(const Json& json);

// What a request is read against.
struct Context {
  serving::Card card;         // of the model it is for
  std::string id;             // of the request
  int64_t created = 0;        // seconds since 1970
  GenerationConfig defaults;  // of what a request leaves open
  uint64_t fresh_seed = 0;    // of a request that samples and names none
  int64_t most_answers = 16;  // to one request
  bool calls_tools = false;   // the template of this request has a place for tools
  // What lies at an address of the web. Throws UsageError. Empty: nothing is fetched.
  std::function<std::vector<std::byte>(const std::string& address)> fetch;
};

// An answer as far as it is known.
struct AnswerSoFar {
  std::string text;
  std::vector<serving::Token> tokens;  // where probabilities were asked for
  std::optional<serving::Finished> end;
};

// Events go in, text for the client comes out, at once or at the end. Belongs to one connection.
class Exchange {
 public:
  virtual ~Exchange() = default;

  std::vector<serving::Question> questions;
  bool streams = false;

  // Streams: what the client is to be sent for this event of questions[question]. Whatever the
  // kind, the event is remembered. Not for Failed.
  std::string take(size_t question, const serving::Event& event);
  // Streams: what ends it, behind the last event.
  virtual std::string last() = 0;
  // Streams: what says that it broke off, in place of last().
  virtual std::string broken_off(const Failure& failure) = 0;
  // Does not stream: the body, once all answers have ended.
  virtual Json whole() const = 0;
  // The media type of a stream.
  virtual std::string_view stream_type() const { return "text/event-stream"; }

  const std::vector<AnswerSoFar>& answers() const { return answers_; }
  int64_t prompt_tokens() const { return prompt_tokens_; }
  int64_t reused_tokens() const { return reused_tokens_; }
  int64_t generated_tokens() const;
  // Every answer has ended: whole() and last() may be asked.
  bool complete() const;
  // All answers ended before they began: the reason, as of serving::Finished.
  std::optional<std::string> came_to_nothing() const;

 protected:
  explicit Exchange(Context context) : context_(std::move(context)) {}
  // Call once `questions` is complete.
  void expect_answers();
  // Streams: the first answer is under way; an answer went on; an answer ended. `answer` counts
  // through all questions.
  virtual std::string begun() { return ""; }
  virtual std::string continued(size_t answer, const serving::Piece& piece) = 0;
  virtual std::string ended(size_t answer, const serving::Finished& end) = 0;

  const Context context_;

 private:
  size_t number_of(size_t question, int64_t answer) const;

  std::vector<AnswerSoFar> answers_;
  int64_t prompt_tokens_ = 0, reused_tokens_ = 0;
  bool begun_ = false;
};

// An answer was cut before it came to its end: by length, a deadline, or the server's leaving.
bool was_cut(const serving::Finished& end);

}  // namespace isthmus::protocol
