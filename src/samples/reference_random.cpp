#include "samples/reference_random.h"

#include <algorithm>
#include <array>
#include <bit>

namespace isthmus::samples {
namespace {

// Matsumoto & Nishimura 2002, init_by_array, as what std::mersenne_twister_engine takes its state
// from.
class ByArray {
 public:
  using result_type = uint32_t;
  explicit ByArray(std::vector<uint32_t> key) : key_(std::move(key)) {}

  template <typename Iterator>
  void generate(Iterator begin, Iterator end) {
    constexpr uint32_t kSize = 624;
    std::vector<uint32_t> state(kSize);
    state[0] = 19650218u;
    for (uint32_t i = 1; i < kSize; ++i)
      state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
    const auto length = static_cast<uint32_t>(key_.size());
    uint32_t i = 1, j = 0;
    const auto before = [&] { return state[i - 1] ^ (state[i - 1] >> 30); };
    const auto advance = [&] {
      if (++i < kSize) return;
      state[0] = state[kSize - 1];
      i = 1;
    };
    for (uint32_t k = std::max(kSize, length); k > 0; --k) {
      state[i] = (state[i] ^ (before() * 1664525u)) + key_[j] + j;
      advance();
      if (++j == length) j = 0;
    }
    for (uint32_t k = kSize - 1; k > 0; --k) {
      state[i] = (state[i] ^ (before() * 1566083941u)) - i;
      advance();
    }
    state[0] = 0x80000000u;
    std::copy_n(state.begin(), end - begin, begin);
  }

 private:
  std::vector<uint32_t> key_;
};

// The number in words of 32 bits, the lowest first; 0 is one word.
std::vector<uint32_t> words_of(uint64_t number) {
  std::vector<uint32_t> words = {static_cast<uint32_t>(number)};
  if (number >> 32 != 0) words.push_back(static_cast<uint32_t>(number >> 32));
  return words;
}

// numpy.random.SeedSequence(seed).generate_state(4, uint64)
std::array<uint64_t, 4> seed_sequence(uint64_t seed) {
  constexpr size_t kPool = 4;
  uint32_t constant = 0x43b0d7e5u;
  const auto hashed = [&](uint32_t value) {
    value ^= constant;
    constant *= 0x931e8875u;
    value *= constant;
    return value ^ (value >> 16);
  };
  const auto mixed = [](uint32_t x, uint32_t y) {
    const uint32_t value = 0xca01f9ddu * x - 0x4973f715u * y;
    return value ^ (value >> 16);
  };
  const std::vector<uint32_t> entropy = words_of(seed);
  std::array<uint32_t, kPool> pool;
  for (size_t i = 0; i < kPool; ++i) pool[i] = hashed(i < entropy.size() ? entropy[i] : 0);
  for (size_t from = 0; from < kPool; ++from)
    for (size_t to = 0; to < kPool; ++to)
      if (from != to) pool[to] = mixed(pool[to], hashed(pool[from]));
  std::array<uint64_t, 4> state{};
  constant = 0x8b51f9ddu;
  for (size_t i = 0; i < 2 * state.size(); ++i) {
    uint32_t value = pool[i % kPool] ^ constant;
    constant *= 0x58f38dedu;
    value *= constant;
    value ^= value >> 16;
    state[i / 2] |= uint64_t{value} << (i % 2 * 32);
  }
  return state;
}

unsigned __int128 joined(uint64_t high, uint64_t low) {
  return static_cast<unsigned __int128>(high) << 64 | low;
}

constexpr uint64_t kMultiplierHigh = 2549297995355413924u, kMultiplierLow = 4865540595714422341u;

}  // namespace

PythonRandom::PythonRandom(uint64_t seed) {
  ByArray sequence(words_of(seed));
  generator_.seed(sequence);
}

uint64_t PythonRandom::below(uint64_t count) {
  const int bits = std::bit_width(count);
  uint64_t value;
  do {
    value = generator_() >> (32 - std::min(bits, 32));
    if (bits > 32) value |= static_cast<uint64_t>(generator_() >> (64 - bits)) << 32;
  } while (value >= count);
  return value;
}

double PythonRandom::uniform() {
  const uint64_t high = generator_() >> 5, low = generator_() >> 6;
  return static_cast<double>(high << 26 | low) * 0x1.0p-53;
}

NumpyRandom::NumpyRandom(uint64_t seed) {
  const auto words = seed_sequence(seed);
  increment_ = joined(words[2], words[3]) << 1 | 1;
  next();
  state_ += joined(words[0], words[1]);
  next();
}

uint64_t NumpyRandom::next() {
  state_ = state_ * joined(kMultiplierHigh, kMultiplierLow) + increment_;
  const auto high = static_cast<uint64_t>(state_ >> 64), low = static_cast<uint64_t>(state_);
  return std::rotr(high ^ low, static_cast<int>(high >> 58));
}

uint32_t NumpyRandom::next_half() {
  if (has_upper_half_) {
    has_upper_half_ = false;
    return upper_half_;
  }
  const uint64_t value = next();
  upper_half_ = static_cast<uint32_t>(value >> 32);
  has_upper_half_ = true;
  return static_cast<uint32_t>(value);
}

uint64_t NumpyRandom::below(uint64_t count) {
  const uint64_t mask = std::bit_ceil(count) - 1;
  uint64_t value;
  do {
    value = next_half() & mask;
  } while (value >= count);
  return value;
}

}  // namespace isthmus::samples
