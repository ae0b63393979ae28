// Changes the rate of a signal as torchaudio.functional.resample does.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::modalities {

// sinc_interp_hann with lowpass_filter_width 6 and rolloff 0.99: output j lies at input j * from /
// to and is the sum over inputs k of x[k] * w((k - j * from / to) / from * base), where
//   base = min(from, to) * 0.99,  w(t) = base / from * sinc(t) * cos²(pi t / 12)  for |t| < 6,
// rates reduced by their common divisor, silence before and after. The signal may come in pieces of
// any size; the result is the same. Weights are made in double and rounded to float, as for audio
// in the reference; sums are floats.
class SincResampler {
 public:
  // Rates of at least 1 and at most 2^24.
  SincResampler(int64_t from_rate, int64_t to_rate);

  // Appends every output that the samples so far decide.
  void push(std::span<const float> samples, std::vector<float>& out);
  // Appends what is left: in all ceil(n * to / from) outputs for n samples. Nothing may follow.
  void finish(std::vector<float>& out);

 private:
  void produce(int64_t limit, std::vector<float>& out);

  // Of outputs phase, phase + to_, …: output phase + b * to_ starts at input b * from_ + first.
  struct Phase {
    int64_t first;
    size_t weights_at;
  };

  int64_t from_, to_;  // reduced
  int64_t taps_;       // of every phase
  std::vector<Phase> phases_;
  std::vector<float> weights_;
  std::vector<float> recent_;  // inputs from recent_begin_ on
  int64_t recent_begin_;       // negative: the silence before
  int64_t received_ = 0, produced_ = 0;
};

}  // namespace isthmus::modalities
