// Random numbers that are the same on every machine and standard library.
#pragma once

#include <cstdint>

namespace isthmus {

// xoshiro256** seeded by splitmix64 (Blackman & Vigna 2018).
class Rng {
 public:
  explicit Rng(uint64_t seed);
  uint64_t next();
  double uniform();  // [0, 1), 53 bits

 private:
  uint64_t state_[4];
};

}  // namespace isthmus
