// Files as they look after an accident.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace isthmus {

struct DamageOptions {
  size_t cuts = 12;        // lengths at which the bytes end early; SIZE_MAX: every length
  int rounds = 25;         // with one to four bytes changed, the same ones each time
  size_t head = SIZE_MAX;  // every second round changes only the first so many bytes
};

// read(bytes) for `whole` cut short and with bytes changed.
template <class Read>
void for_each_damage(const std::vector<char>& whole, const DamageOptions& options,
                     const Read& read) {
  const size_t cuts = std::min(options.cuts, whole.size());
  for (size_t cut = 0; cut < cuts; ++cut)
    read(std::vector<char>(whole.begin(),
                           whole.begin() + static_cast<std::ptrdiff_t>(whole.size() * cut / cuts)));
  uint64_t state = 99;
  const auto next = [&] {
    return (state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 33;
  };
  for (int round = 0; round < options.rounds; ++round) {
    std::vector<char> bytes = whole;
    const size_t reach = round % 2 == 0 ? std::min(whole.size(), options.head) : whole.size();
    for (uint64_t changes = 1 + next() % 4; changes > 0; --changes)
      bytes[next() % reach] = static_cast<char>(next());
    read(bytes);
  }
}

}  // namespace isthmus
