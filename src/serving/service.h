// What a server asks of an engine: questions in, tokens out, many at once. No torch, no HTTP.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "isthmus/input.h"
#include "isthmus/model.h"

namespace isthmus::serving {

using Clock = std::chrono::steady_clock;

// One way an answer could have gone on.
struct Alternative {
  int64_t id;
  std::string bytes;  // of the token; not always whole characters
  double logprob;     // natural logarithm, of the model's own distribution
};

struct Token {
  Alternative chosen;
  std::vector<Alternative> top;  // Question::top_logprobs of them, most probable first
};

// What an answer has to be an instance of.
struct OutputForm {
  enum class Kind { kJsonSchema, kGrammar };  // a JSON schema; a grammar in GBNF
  Kind kind;
  std::string text;
};

struct Question {
  Request request;
  std::string id;       // of the HTTP request, for the log
  std::string client;   // who asks: clients take turns, and share the queue; empty: anybody
  std::string aligner;  // empty: the model's own
  int64_t answers = 1;  // how many, each with a seed of its own (seed, seed + 1, …)
  std::optional<int64_t>
      top_logprobs;  // empty: no probabilities are kept; 0: of chosen tokens alone
  std::optional<OutputForm> form;
  bool continues_text = false;  // the answer may begin with a space, as what goes on does
  std::optional<Clock::time_point> deadline;  // later than that nobody waits for it
};

// The prompt was taken in; its media are known by now.
struct Admitted {
  int64_t prompt_tokens, reused_tokens;
};
// Complete UTF-8, and the tokens it is made of when probabilities were asked for.
struct Piece {
  int64_t answer;
  std::string text;
  std::vector<Token> tokens;
};
struct Finished {
  int64_t answer;
  std::string reason;       // "eos", "stop", "length", "cancelled", "deadline"
  std::string stop_string;  // of "stop", where a string of the request ended it
  Timings timings;
};
// The question came to nothing; no event follows. `code` as Error::exit_code.
struct Failed {
  std::string message;
  int code;
};
using Event = std::variant<Admitted, Piece, Finished, Failed>;

// One question on its way. Destroying it cancels the question. Any one thread.
class Ticket {
 public:
  virtual ~Ticket() = default;
  // The next event; nothing when `patience` is over before there is one, or after the last
  // (done()).
  virtual std::optional<Event> next(Clock::duration patience) = 0;
  virtual bool done() const = 0;
  virtual void cancel() = 0;
};

// The queue is full.
struct Busy {
  std::chrono::seconds retry_after;
};

// The question, or who takes an aligner away, names one that is not here. The message lists those
// that are.
struct NoSuchAligner {
  std::string message;
};

// Counters since the start, and gauges of this moment.
struct Load {
  int64_t running = 0, waiting = 0;  // questions
  double kv_cache_usage = 0;         // share of its pages in use
  int64_t prompt_tokens = 0, generation_tokens = 0;
  int64_t prefix_queries = 0, prefix_hits = 0;  // tokens
  int64_t media_queries = 0, media_hits = 0;    // media
  // Those that were not in memory and looked for on disk; 0 without a folder for them.
  int64_t media_disk_queries = 0, media_disk_hits = 0;
  int64_t preemptions = 0;
  // In passes of the language model, and around them: dividing, choosing tokens, text, events.
  double model_seconds = 0, scheduling_seconds = 0;
};

// What clients are told about a model.
struct Card {
  std::string name, family;             // "llava", "flamingo", "onellm"
  std::vector<std::string> modalities;  // as requests name them
  std::vector<std::string> aligners;    // besides the model's own
  std::string parent;                   // of a model with one of those: the model's name
  int64_t context_length = 0, parameters = 0;
  std::string storage;                // of the language model: "q4", "f16" …
  std::string conversation_template;  // empty: literal prompts
};

// A loaded model that many ask at once. Any thread.
class Service {
 public:
  virtual ~Service() = default;
  // Throws Busy, NoSuchAligner, and UsageError for what could never be answered.
  virtual std::unique_ptr<Ticket> ask(Question question) = 0;
  // The length of the prompt, rows of media included; nothing is generated. `aligner`, here and
  // below, as of a question.
  virtual int64_t count_tokens(const Request& request, const std::string& aligner = {}) = 0;
  // One point for each input: the mean over the last hidden states of its rows (text), or over its
  // soft tokens or latents (a medium); of length 1.
  virtual std::vector<std::vector<float>> embed(const std::vector<Part>& inputs,
                                                const std::string& aligner = {}) = 0;
  // Loads what training left in `folder`, an aligner, a LoRA or both, for questions that name it:
  // as families::Family::with_aligner. Throws UsageError for a name that is taken or cannot be one,
  // and what is wrong with the files; nothing has changed then.
  virtual void add_aligner(const std::string& name, const std::filesystem::path& folder) = 0;
  // Questions from now on cannot name it; those under way are answered, and then its memory is
  // free. Throws NoSuchAligner.
  virtual void remove_aligner(const std::string& name) = 0;
  virtual Card card() const = 0;
  virtual Load load() const = 0;
  // Nothing more is taken in; returns when all is answered, or at `until` with the rest cancelled.
  virtual void drain(Clock::time_point until) = 0;
};

}  // namespace isthmus::serving
