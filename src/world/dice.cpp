#include "world/dice.h"

namespace isthmus::world {

uint64_t seed_of(uint64_t seed, uint64_t stream, uint64_t index) {
  // splitmix64's finisher after each word, so that neighbouring numbers give unrelated seeds.
  uint64_t mixed = 0;
  for (const uint64_t word : {seed, stream, index}) {
    mixed = (mixed ^ word) + 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
  }
  return mixed;
}

double Dice::normal() {
  // Marsaglia's polar method; the second number is thrown away so that no state is kept.
  while (true) {
    const double x = uniform(-1, 1), y = uniform(-1, 1), square = x * x + y * y;
    if (square > 0 && square < 1) return x * std::sqrt(-2 * std::log(square) / square);
  }
}

std::vector<int> Dice::sample(int count, int wanted) {
  std::vector<int> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  for (int i = 0; i < wanted; ++i)
    std::swap(all[static_cast<size_t>(i)], all[static_cast<size_t>(i + below(count - i))]);
  all.resize(static_cast<size_t>(wanted));
  return all;
}

}  // namespace isthmus::world
