// The random numbers that the reference programs draw from Python and NumPy, so that orders of
// published trainings can be repeated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace isthmus::samples {

// Python's random.Random(seed): a Mersenne Twister seeded by its init_by_array.
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);
  uint64_t below(uint64_t count);  // randrange(count); count above 0
  double uniform();                // random()

 private:
  std::mt19937 generator_;
};

// NumPy's default_rng(seed): PCG-64 (O'Neill 2014, XSL-RR) seeded by its SeedSequence.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint64_t seed);
  // As its shuffle of a list draws places (integers() draws otherwise): 0 < count <= 2^32.
  uint64_t below(uint64_t count);

 private:
  uint64_t next();
  uint32_t next_half();  // the lower half of a number, then its upper one

  unsigned __int128 state_ = 0, increment_ = 0;
  uint32_t upper_half_ = 0;
  bool has_upper_half_ = false;
};

// list.shuffle of either: from the last place down, each exchanged with one at or before it.
template <typename Random, typename T>
void shuffle(std::vector<T>& values, Random& random) {
  for (size_t i = values.size(); i-- > 1;) std::swap(values[i], values[random.below(i + 1)]);
}

}  // namespace isthmus::samples
