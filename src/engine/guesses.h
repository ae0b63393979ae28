// Decoding that checks several guessed tokens at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "families/segment.h"
#include "generation/guess_pace.h"

namespace isthmus::engine {

// Knows how one answer may go on. A guess is a plain token without a probability: whoever chooses
// draws from what the model says of every place and keeps a guess that is what was drawn.
// Speculative sampling with a source that is certain comes to the same (Leviathan et al. 2023,
// §2.3: a guess of probability 1 is kept with that of the model, and what is drawn in its place
// follows the rest), so the answers are distributed as they are without guesses; and they are the
// same for the same seed.
class GuessSource {
 public:
  virtual ~GuessSource() = default;
  // At most `most` tokens that may follow `answer`, what has been chosen so far; none where nothing
  // suggests itself.
  virtual std::vector<int64_t> guess(std::span<const int64_t> answer, int64_t most) = 0;
  // What one guess takes to make, in passes of the model that checks it.
  virtual double cost() const = 0;
};

// What followed the last tokens where they stood before, in the prompt or in the answer.
class PromptLookup : public GuessSource {
 public:
  explicit PromptLookup(std::span<const families::Segment> prompt);
  std::vector<int64_t> guess(std::span<const int64_t> answer, int64_t most) override;
  double cost() const override { return 0; }

 private:
  std::vector<int64_t> text_;  // of the prompt, then of the answer
  size_t prompt_length_;
};

// The guesses of one answer, from the first of its sources that has any. Without sources there are
// none. Guesses change how many passes there are and not what comes out, but for the rounding of
// rows computed together.
class Guesses {
 public:
  // `never`: tokens that are not guessed, nor anything behind them.
  explicit Guesses(std::vector<int64_t> never) : never_(std::move(never)) {}
  // At most `most` of its tokens at once.
  void add(std::unique_ptr<GuessSource> source, int64_t most);

  // What may follow `answer`. `room`: tokens that may still come.
  std::vector<int64_t> next(std::span<const int64_t> answer, int64_t room);
  // Of the tokens that next() gave the first `right` were chosen.
  void note(int64_t right);

  int64_t guessed() const { return guessed_; }  // all told
  int64_t right() const { return right_; }

 private:
  struct Source {
    std::unique_ptr<GuessSource> source;
    generation::GuessPace pace;
  };
  std::vector<int64_t> never_;
  std::vector<Source> sources_;
  Source* asked_ = nullptr;  // whose guesses are being checked
  int64_t being_checked_ = 0;
  int64_t guessed_ = 0, right_ = 0;
};

}  // namespace isthmus::engine
