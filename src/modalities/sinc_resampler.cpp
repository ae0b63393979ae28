#include "modalities/sinc_resampler.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/check.h"

namespace isthmus::modalities {
namespace {

constexpr double kFilterWidth = 6, kRolloff = 0.99;

double weight_at(double t, double scale) {
  if (t == 0) return scale;
  if (std::abs(t) >= kFilterWidth) return 0;
  const double window = std::cos(t * std::numbers::pi / kFilterWidth / 2);
  return std::sin(t * std::numbers::pi) / (t * std::numbers::pi) * (window * window * scale);
}

// Eight partial sums, so that the compiler may use vectors without reordering anything.
float dot(const float* a, const float* b, int64_t count) {
  constexpr int64_t kLanes = 8;
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) sums[l] += a[i + l] * b[i + l];
  for (; i < count; ++i) sums[i % kLanes] += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace

SincResampler::SincResampler(int64_t from_rate, int64_t to_rate) {
  constexpr int64_t kMaxRate = int64_t{1} << 24;
  ISTHMUS_CHECK(from_rate >= 1 && to_rate >= 1 && from_rate <= kMaxRate && to_rate <= kMaxRate,
                "rates to resample between");
  const int64_t divisor = std::gcd(from_rate, to_rate);
  from_ = from_rate / divisor;
  to_ = to_rate / divisor;
  const double from = static_cast<double>(from_), to = static_cast<double>(to_);
  const double base = std::min(from, to) * kRolloff;
  const double reach = kFilterWidth * from / base;  // inputs on either side that count
  taps_ = 2 * static_cast<int64_t>(std::ceil(reach)) + 1;
  recent_begin_ = 0;
  for (int64_t phase = 0; phase < to_; ++phase) {
    const double centre = static_cast<double>(phase) * from / to;
    const int64_t first = static_cast<int64_t>(std::ceil(centre - reach));
    phases_.push_back({first, weights_.size()});
    recent_begin_ = std::min(recent_begin_, first);
    for (int64_t tap = 0; tap < taps_; ++tap) {
      // Summed as the reference does, which makes the middle exactly 0.
      const double t =
          (-static_cast<double>(phase) / to + static_cast<double>(first + tap) / from) * base;
      weights_.push_back(static_cast<float>(weight_at(t, base / from)));
    }
  }
  recent_.assign(static_cast<size_t>(-recent_begin_), 0.0f);
}

void SincResampler::push(std::span<const float> samples, std::vector<float>& out) {
  received_ += static_cast<int64_t>(samples.size());
  if (from_ == to_) {
    out.insert(out.end(), samples.begin(), samples.end());
    return;
  }
  recent_.insert(recent_.end(), samples.begin(), samples.end());
  produce(received_ * to_ / from_ + 1, out);
}

void SincResampler::finish(std::vector<float>& out) {
  if (from_ == to_) return;
  recent_.insert(recent_.end(), static_cast<size_t>(from_ + taps_), 0.0f);
  produce((received_ * to_ + from_ - 1) / from_, out);
}

// Up to `limit` outputs in all, as far as their inputs are there.
void SincResampler::produce(int64_t limit, std::vector<float>& out) {
  const int64_t available = recent_begin_ + static_cast<int64_t>(recent_.size());
  int64_t begin = recent_begin_;
  for (; produced_ < limit; ++produced_) {
    const Phase& phase = phases_[static_cast<size_t>(produced_ % to_)];
    begin = produced_ / to_ * from_ + phase.first;
    if (begin + taps_ > available) break;
    out.push_back(
        dot(recent_.data() + (begin - recent_begin_), weights_.data() + phase.weights_at, taps_));
  }
  // `begin` belongs to the next output or the last one; later outputs start no earlier.
  const int64_t done = std::min(begin - recent_begin_, static_cast<int64_t>(recent_.size()));
  if (done <= 0) return;
  recent_.erase(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(done));
  recent_begin_ += done;
}

}  // namespace isthmus::modalities
