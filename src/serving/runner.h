// The answers that are being read and written at this moment, one pass of the model after the
// other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "families/family.h"
#include "nn/page_pool.h"
#include "serving/answer.h"
#include "serving/pass_times.h"
#include "serving/prefix_cache.h"

namespace isthmus::serving {

struct RunnerOptions {
  int64_t pages;                // of keys and values
  int64_t max_running = 32;     // answers
  int64_t rows_per_pass = 256;  // at most, unless more answers are being written
};

// Every pass holds one row of each answer that is being written, and a piece of the prompts that
// are being read, in the order in which they came. While somebody waits for a next token the piece
// is so long that the pass, and what happened since the last, take kStretch times as long as a pass
// in which all who are here write (runner.cpp). When pages run out, the youngest answer gives up
// its own and reads them again later. A pass that fails is done again answer by answer, so that
// only the question fails whose fault it was. One thread at a time.
class Runner {
 public:
  // `family`: any of those that questions are for; their keys and values have one shape.
  Runner(families::Family& family, const RunnerOptions& options);

  // The longest sequence that there are pages for.
  int64_t capacity() const { return pool_.pages() * nn::PagePool::kPositions; }
  // Whether this question can begin: a place for each answer, and pages for its prompt.
  bool has_room(const Asked& asked) const;
  void admit(std::shared_ptr<Asked> asked);
  void pass();
  // Seconds that something else may take between two passes, as matters stand.
  double patience() const;
  // It took so many, since the last pass: the next is to be shorter by that.
  void note_other_work(double seconds) { other_seconds_ = seconds; }
  // Ends answers whose question is cancelled or whose time is over.
  void end_abandoned();
  // Ends all.
  void cancel();
  bool empty() const { return answers_.empty(); }

  // Of this moment and since the start.
  int64_t questions() const;
  double page_usage() const;
  struct Counts {
    int64_t prompt_tokens = 0, generation_tokens = 0, prefix_queries = 0, prefix_hits = 0,
            preemptions = 0;
    double model_seconds = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  // An answer's part of a pass.
  struct Share {
    Answer* answer;
    int64_t first, rows;  // of its reading
    bool writes;          // one row, behind what was chosen last
    bool asks;            // for logits: nothing is left to read
  };
  int64_t prompt_rows() const;
  std::vector<Share> divide();
  void begin_reading(Answer& answer);
  bool make_room(size_t place, int64_t length);
  Tensor read(const std::vector<Share>& shares);
  void pass_together(const std::vector<Share>& shares);
  void pass_alone(const Share& share);
  void finish(const std::vector<Share>& shares, const Tensor& logits);
  int64_t writing() const;
  void choose(Answer& answer, const Tensor& logits);
  // Takes in the answers that have begun, and drops those that are over.
  void settle();

  RunnerOptions options_;
  nn::PagePool pool_;
  PrefixCache prefixes_;
  std::vector<std::unique_ptr<Answer>> answers_;  // oldest first
  std::vector<std::unique_ptr<Answer>> begun_;    // during a pass
  PassTimes times_;
  double other_seconds_ = 0;
  Counts counts_;
};

// Why nobody waits for a question any more: "cancelled", "deadline", or nothing.
std::string abandoned(const Asked& asked, Clock::time_point now);

}  // namespace isthmus::serving
