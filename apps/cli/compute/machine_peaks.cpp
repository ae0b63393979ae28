#include "machine_peaks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include <ATen/Parallel.h>

#include "base/system_memory.h"
#include "kernels/table.h"

namespace isthmus::cli {
namespace {

double seconds_after(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// work(thread) -> how much it did. Per second, the best of some repetitions.
template <class Work>
double best_rate(int repetitions, const Work& work) {
  const int64_t threads = at::get_num_threads();
  double best = 0;
  for (int i = 0; i < repetitions; ++i) {
    std::atomic<int64_t> done{0};
    const auto start = std::chrono::steady_clock::now();
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t thread = begin; thread < end; ++thread) done += work(thread);
    });
    best = std::max(best, static_cast<double>(done.load()) / seconds_after(start));
  }
  return best;
}

double best_peak(kernels::Peak peak) {
  // Some milliseconds at most, shorter than what a scheduler gives another program at a time, and
  // long against the time that threads take to begin.
  return best_rate(30, [&](int64_t) {
    float values[3] = {1, 1, 0};
    return peak({500'000, values});
  });
}

// Several places at a time, as a processor's prefetcher follows them best; a part at a time, each
// from where the last one ended, so that what is read has left every cache.
double best_read() {
  constexpr int64_t kPart = int64_t{2} << 20, kPlaces = 8, kLine = 8, kMostParts = 64;
  // At most a quarter of what is left, which a small machine's caches are still small against.
  const int64_t part_bytes = kPart * static_cast<int64_t>(sizeof(uint64_t));
  const int64_t parts = std::clamp<int64_t>(
      available_memory().value_or(kMostParts * 4 * part_bytes) / 4 / part_bytes, 1, kMostParts);
  const std::vector<uint64_t> words(static_cast<size_t>(parts * kPart), 1);
  std::atomic<int64_t> next{0};
  std::atomic<uint64_t> sum{0};
  return best_rate(100, [&](int64_t) {
    const uint64_t* part = words.data() + next.fetch_add(1) % parts * kPart;
    constexpr int64_t kApart = kPart / kPlaces, kAhead = 8 * kLine;
    uint64_t own[kLine] = {};
    for (int64_t i = 0; i < kApart; i += kLine)
      for (int64_t place = 0; place < kPlaces; ++place) {
        const uint64_t* line = part + place * kApart + i;
        __builtin_prefetch(line + kAhead);
        for (int64_t j = 0; j < kLine; ++j) own[j] += line[j];
      }
    for (const uint64_t one : own) sum += one;
    return kPart * static_cast<int64_t>(sizeof(uint64_t));
  });
}

}  // namespace

MachinePeaks measure_peaks() {
  return {best_peak(kernels::quantised_kernels().peak), best_peak(kernels::kernels().peak),
          best_read()};
}

MachinePeaks better_of(const MachinePeaks& a, const MachinePeaks& b) {
  return {std::max(a.int8, b.int8), std::max(a.float32, b.float32), std::max(a.memory, b.memory)};
}

}  // namespace isthmus::cli
