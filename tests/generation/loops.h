// The engine's loops in small, over a model that is a table or a script.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "generation/continuation.h"

namespace isthmus::generation {

// The model with its cache, behind the prompt.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Appends `tokens` and returns the logits [vocab_size] of the last row, valid until the next
  // call. The first call passes no tokens and asks for the logits behind the prompt.
  virtual std::span<const float> step(std::span<const int64_t> tokens) = 0;
};

class BeamDecoder {
 public:
  virtual ~BeamDecoder() = default;
  // Makes row b a copy of row choices[b].parent, appends choices[b].token to it and returns the
  // logits [rows, vocab_size]. The first call passes nothing and may return a single row.
  virtual std::span<const float> step(std::span<const BeamChoice> choices) = 0;
  virtual int64_t vocab_size() const = 0;
};

// Called with each new token, the end token included, before the next is computed; false cancels.
using TokenCallback = std::function<bool(int64_t token)>;

inline Generated generate(Decoder& decoder, Continuation& continuation,
                          const TokenCallback& on_token = {}) {
  std::span<const float> logits = decoder.step({});
  while (true) {
    const int64_t token = continuation.extend(logits);
    if (on_token && !on_token(token) && !continuation.finished()) continuation.cancel();
    if (continuation.finished()) return {continuation.tokens(), *continuation.finished()};
    logits = decoder.step({&token, 1});
  }
}

// Asked between steps, `keep_going` cancels when it says no.
inline Generated generate_with_beams(BeamDecoder& decoder, const GenerationConfig& config,
                                     std::span<const int64_t> eos_ids,
                                     std::span<const int64_t> seen,
                                     BeamLength length = BeamLength::kGenerated,
                                     const std::function<bool()>& keep_going = {}) {
  BeamContinuation beams(config, eos_ids, seen, length, static_cast<int64_t>(seen.size()));
  std::span<const float> logits = decoder.step({});
  while (true) {
    const auto& choices = beams.extend(logits, decoder.vocab_size());
    if (!beams.finished() && keep_going && !keep_going()) beams.cancel();
    if (beams.finished()) return beams.result();
    logits = decoder.step(choices);
  }
}

}  // namespace isthmus::generation
