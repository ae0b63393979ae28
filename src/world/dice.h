// Random choices over base/rng, and seeds for things that are drawn by number.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace isthmus::world {

// The seed of thing `index` of a stream: every thing has its own generator, so any of them can be
// drawn without those before it.
uint64_t seed_of(uint64_t seed, uint64_t stream, uint64_t index);

class Dice {
 public:
  explicit Dice(uint64_t seed) : rng_(seed) {}

  double uniform() { return rng_.uniform(); }
  double uniform(double low, double high) { return low + (high - low) * rng_.uniform(); }
  bool chance(double probability) { return rng_.uniform() < probability; }
  int below(int count) { return static_cast<int>(rng_.uniform() * count); }
  int between(int first, int last) { return first + below(last - first + 1); }
  double normal();  // mean 0, deviation 1

  // An index with probability weights[index] / sum.
  template <typename Weights>
  size_t weighted(const Weights& weights) {
    double left = rng_.uniform() * std::accumulate(std::begin(weights), std::end(weights), 0.0);
    size_t last = 0, index = 0;
    for (const double weight : weights) {
      if (weight > 0) last = index;
      if (left < weight) return index;
      left -= weight;
      ++index;
    }
    return last;  // rounding
  }

  template <typename T>
  T pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(below(static_cast<int>(from.size())))];
  }
  int pick(std::initializer_list<int> from) {
    return from.begin()[below(static_cast<int>(from.size()))];
  }

  template <typename T>
  void shuffle(std::vector<T>& things) {
    for (size_t i = things.size(); i > 1; --i)
      std::swap(things[i - 1], things[static_cast<size_t>(below(static_cast<int>(i)))]);
  }

  // `wanted` different numbers below `count`, in random order.
  std::vector<int> sample(int count, int wanted);

 private:
  Rng rng_;
};

}  // namespace isthmus::world
