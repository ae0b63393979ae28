// Log-mel filter bank energies of speech and sound, as Kaldi defines them.
#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::modalities {

// torchaudio.compliance.kaldi.fbank with these settings and dither 0, use_energy off, snip_edges
// on, the power spectrum, a Hann window.
struct FilterBankConfig {
  int64_t sample_rate = 16000;
  int64_t num_bins = 128;
  double frame_ms = 25, shift_ms = 10;
  double low_frequency = 20;  // Hz; the highest bin ends at half the sample rate
  double preemphasis = 0.97;
};

// Frame f covers samples [f * shift, f * shift + window) and gives, for each bin,
//   log(max(eps, sum over k of mel[bin, k] * |rfft(w · pre(x - mean(x)))[k]|²)),  eps = 2^-23,
// with pre(x)[i] = x[i] - 0.97 x[max(0, i - 1)], zero padding to a power of two, and triangles that
// are linear in mel(f) = 1127 ln(1 + f / 700). The windowed frame is rounded as the reference
// rounds it, to float32; the spectrum and what follows are computed in double. Threads may share an
// object.
class FilterBank {
 public:
  explicit FilterBank(const FilterBankConfig& config = {});

  int64_t num_bins() const { return static_cast<int64_t>(bins_.size()); }
  int64_t window_samples() const { return static_cast<int64_t>(window_.size()); }
  int64_t shift_samples() const { return shift_; }
  // Whole frames within that many samples.
  int64_t num_frames(int64_t samples) const;

  // [num_frames(samples.size()), num_bins]. A constant added to all samples changes nothing but
  // rounding: each frame loses its own mean.
  std::vector<float> energies(std::span<const float> samples) const;

  // Weight of bin `bin` at k * sample_rate / fft_size, for k < fft_size / 2 (that of k = fft_size /
  // 2 is 0).
  double weight(int64_t bin, int64_t k) const;
  int64_t fft_size() const { return static_cast<int64_t>(2 * twiddles_.size()); }

 private:
  struct Bin {
    int64_t first = 0;
    std::vector<double> weights;  // from `first` on
  };

  void windowed(const float* samples, double* out) const;
  void transform(std::vector<std::complex<double>>& values) const;

  int64_t shift_;
  float preemphasis_;
  std::vector<float> window_;
  std::vector<std::complex<double>> twiddles_;  // exp(-2 pi i k / fft_size), k < fft_size / 2
  std::vector<size_t> reversed_;                // order of inputs of the transform
  std::vector<Bin> bins_;
};

}  // namespace isthmus::modalities
