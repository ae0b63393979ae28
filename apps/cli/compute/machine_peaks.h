// What this processor and its memory can do at most, measured now.
#pragma once

namespace isthmus::cli {

// With as many threads as at::get_num_threads() says and the kernels that are in use.
struct MachinePeaks {
  double int8 = 0;     // operations per second, of products of 8-bit activations with 4-bit weights
  double float32 = 0;  // operations per second
  double memory = 0;   // bytes read per second, from far more than the caches hold
};

// The best of some short times each; half a second, and 1 GB at most, in all.
MachinePeaks measure_peaks();
// The higher of each.
MachinePeaks better_of(const MachinePeaks& a, const MachinePeaks& b);

}  // namespace isthmus::cli
