// Decoding that checks several guessed tokens at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/rows.h"
#include "families/segment.h"

namespace isthmus::engine {

// One answer's. What is chosen is chosen from the logits of the tokens before it, so guesses change
// how many passes there are and not what comes out, but for the rounding of rows computed together.
class Guesses {
 public:
  // At most `most` tokens a time, none of them `marker`. `prompt`: where they are looked for, too.
  Guesses(std::span<const families::Segment> prompt, int64_t most, int64_t marker);

  // [1, vocab_size] behind `token`, which follows what `rows` hold. `room`: tokens that may still
  // come.
  Tensor step(Rows& rows, int64_t token, int64_t room);
  // Takes back what was guessed and not chosen. To be called when the answer ends.
  void drop(Rows& rows);

 private:
  int64_t most_, marker_;
  std::vector<int64_t> text_, guessed_;
  size_t chosen_ = 0;  // of the guessed ones
  Tensor logits_;      // [guessed + 1, vocab_size]
};

}  // namespace isthmus::engine
