// Work on torch's intra-op pool, and its threads' scratch memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include <ATen/Parallel.h>

namespace isthmus::nn {

// task(i) for every i < count. Tasks are handed out one at a time, so a thread that the system
// slows down holds up the others by one task only. Which thread runs a task must not change its
// result.
template <class Task>
void parallel_tasks(int64_t count, const Task& task) {
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), count);
  if (threads <= 1 || at::in_parallel_region()) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) task(i);
  });
}

// Scratch of the calling thread, 64-byte aligned, valid until its next request for the same use. It
// is kept for the next call, since fresh pages cost more than many a small product.
enum class ScratchUse {
  kPackedRows,
  kPackedColumns,
  kSums,
  kScores,
  kPackedKeys,
  kPackedValues,
  kGradients,
  kKeysByDepth,
  kPartial,
  kCount
};
float* scratch(ScratchUse use, int64_t count);

}  // namespace isthmus::nn
