#include "modalities/filter_bank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/check.h"

namespace isthmus::modalities {
namespace {

constexpr double kEpsilon = 1.1920928955078125e-07;  // the smallest step above 1 of a float

double mel_of(double frequency) { return 1127.0 * std::log(1.0 + frequency / 700.0); }

// In the order of torch.sum over a short contiguous row (aten/src/ATen/native/cpu/SumKernel.cpp,
// AVX2): four accumulators of eight lanes, added up at the end.
float sum_as_torch(const float* values, size_t count) {
  constexpr size_t kLanes = 8, kAccumulators = 4, kStep = kLanes * kAccumulators;
  std::array<float, kStep> sums{};
  size_t i = 0;
  for (; i + kStep <= count; i += kStep)
    for (size_t j = 0; j < kStep; ++j) sums[j] += values[i + j];
  for (; i + kLanes <= count; i += kLanes)
    for (size_t j = 0; j < kLanes; ++j) sums[j] += values[i + j];
  for (size_t j = kLanes; j < kStep; ++j) sums[j % kLanes] += sums[j];
  float total = 0;
  for (size_t j = 0; j < kLanes; ++j) total += sums[j];
  for (; i < count; ++i) total += values[i];
  return total;
}

}  // namespace

FilterBank::FilterBank(const FilterBankConfig& config)
    : preemphasis_(static_cast<float>(config.preemphasis)) {
  const auto rate = static_cast<double>(config.sample_rate);
  const auto samples_in = [&](double ms) { return static_cast<int64_t>(rate * ms * 0.001); };
  shift_ = samples_in(config.shift_ms);
  const int64_t window = samples_in(config.frame_ms);
  ISTHMUS_CHECK(shift_ >= 1 && window >= 2 && config.num_bins >= 1, "frames hold samples");
  // As torch.hann_window computes it, in float32.
  const auto step_angle =
      static_cast<float>(2 * std::numbers::pi / static_cast<double>(window - 1));
  for (int64_t i = 0; i < window; ++i) {
    const float angle = static_cast<float>(i) * step_angle;
    window_.push_back(static_cast<float>(std::cos(static_cast<double>(angle))) * -0.5f + 0.5f);
  }

  size_t size = 2;
  while (size < window_.size()) size *= 2;
  for (size_t k = 0; k < size / 2; ++k)
    twiddles_.push_back(std::polar(
        1.0, -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(size)));
  reversed_.assign(size, 0);
  for (size_t i = 1; i < size; ++i)
    reversed_[i] = reversed_[i / 2] / 2 + (i % 2 == 0 ? 0 : size / 2);

  const double low = mel_of(config.low_frequency), high = mel_of(rate / 2);
  ISTHMUS_CHECK(low < high, "the lowest bin lies below half the sample rate");
  const double step = (high - low) / static_cast<double>(config.num_bins + 1);
  for (int64_t b = 0; b < config.num_bins; ++b) {
    const double left = low + static_cast<double>(b) * step, centre = left + step,
                 right = centre + step;
    Bin bin;
    for (int64_t k = 0; k < static_cast<int64_t>(size / 2); ++k) {
      const double mel = mel_of(rate / static_cast<double>(size) * static_cast<double>(k));
      const double weight = std::min((mel - left) / step, (right - mel) / step);
      if (weight <= 0) continue;
      if (bin.weights.empty()) bin.first = k;
      bin.weights.push_back(weight);
    }
    bins_.push_back(std::move(bin));
  }
}

int64_t FilterBank::num_frames(int64_t samples) const {
  return samples < window_samples() ? 0 : 1 + (samples - window_samples()) / shift_;
}

double FilterBank::weight(int64_t bin, int64_t k) const {
  const Bin& b = bins_.at(static_cast<size_t>(bin));
  const int64_t i = k - b.first;
  return i < 0 || i >= static_cast<int64_t>(b.weights.size()) ? 0
                                                              : b.weights[static_cast<size_t>(i)];
}

// One frame without its mean, pre-emphasised and windowed, each step rounded to float32 as the
// reference's: where a bin holds next to nothing, its logarithm shows this rounding.
void FilterBank::windowed(const float* samples, double* out) const {
  const float mean = sum_as_torch(samples, window_.size()) / static_cast<float>(window_.size());
  float previous = samples[0] - mean;
  for (size_t i = 0; i < window_.size(); ++i) {
    const float sample = samples[i] - mean;
    const float emphasised = sample - preemphasis_ * previous;
    out[i] = static_cast<double>(emphasised * window_[i]);
    previous = sample;
  }
}

// Discrete Fourier transform in place; the values come in the order of reversed_.
void FilterBank::transform(std::vector<std::complex<double>>& values) const {
  const size_t size = values.size();
  for (size_t half = 1; half < size; half *= 2) {
    const size_t step = size / (2 * half);
    for (size_t block = 0; block < size; block += 2 * half) {
      for (size_t k = 0; k < half; ++k) {
        const std::complex<double> w = twiddles_[k * step];
        const std::complex<double> a = values[block + k], b = values[block + k + half];
        const std::complex<double> turned{b.real() * w.real() - b.imag() * w.imag(),
                                          b.real() * w.imag() + b.imag() * w.real()};
        values[block + k] = a + turned;
        values[block + k + half] = a - turned;
      }
    }
  }
}

std::vector<float> FilterBank::energies(std::span<const float> samples) const {
  const int64_t frames = num_frames(static_cast<int64_t>(samples.size()));
  const size_t size = reversed_.size();
  std::vector<float> out(static_cast<size_t>(frames * num_bins()));
  std::vector<double> real(window_.size()), imaginary(window_.size()), power(size / 2);
  std::vector<std::complex<double>> values(size);
  // Two frames share a transform, one as its real and one as its imaginary part.
  for (int64_t frame = 0; frame < frames; frame += 2) {
    const bool both = frame + 1 < frames;
    windowed(samples.data() + frame * shift_, real.data());
    if (both)
      windowed(samples.data() + (frame + 1) * shift_, imaginary.data());
    else
      std::fill(imaginary.begin(), imaginary.end(), 0.0);
    for (size_t i = 0; i < size; ++i) {
      const size_t from = reversed_[i];
      values[i] =
          from < real.size() ? std::complex(real[from], imaginary[from]) : std::complex<double>();
    }
    transform(values);
    for (int64_t part = 0; part < (both ? 2 : 1); ++part) {
      for (size_t k = 0; k < size / 2; ++k) {
        const std::complex<double> mirrored = std::conj(values[(size - k) % size]);
        power[k] = 0.25 * std::norm(part == 0 ? values[k] + mirrored : values[k] - mirrored);
      }
      float* row = out.data() + (frame + part) * num_bins();
      for (const Bin& bin : bins_) {
        double energy = 0;
        for (size_t i = 0; i < bin.weights.size(); ++i)
          energy += bin.weights[i] * power[static_cast<size_t>(bin.first) + i];
        *row++ = static_cast<float>(std::log(std::max(energy, kEpsilon)));
      }
    }
  }
  return out;
}

}  // namespace isthmus::modalities
