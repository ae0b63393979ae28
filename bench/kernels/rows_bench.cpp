// Row kernels of every table this machine can run: GB/s of elements read and written, one thread.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/table.h"

namespace isthmus::kernels {
namespace {

constexpr int64_t kRows = 64, kDim = 4096;

struct Data {
  std::vector<float> x = std::vector<float>(kRows * kDim, 0.5f),
                     y = std::vector<float>(kRows * kDim);
  std::vector<float> weight = std::vector<float>(kDim, 1.0f), bias = std::vector<float>(kDim, 0.1f);
};

void report(benchmark::State& state, int64_t bytes_per_element) {
  state.counters["GBs"] =
      benchmark::Counter(1e-9 * static_cast<double>(bytes_per_element * kRows * kDim) *
                             static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

template <class Run>
void add(const KernelTable& table, const char* name, int64_t bytes_per_element, const Run& run) {
  benchmark::RegisterBenchmark((std::string(name) + "/" + table.name).c_str(),
                               [=](benchmark::State& state) {
                                 Data data;
                                 for (auto _ : state) {
                                   run(data);
                                   benchmark::ClobberMemory();
                                 }
                                 report(state, bytes_per_element);
                               })
      ->Unit(benchmark::kMicrosecond);
}

const bool registered = [] {
  for (const KernelTable* table : supported_tables()) {
    const KernelTable& k = *table;
    add(k, "rms_norm", 8, [&k](Data& d) {
      k.rms_norm({d.x.data(), d.weight.data(), d.y.data(), kRows, kDim, 1e-5f});
    });
    add(k, "layer_norm", 8, [&k](Data& d) {
      k.layer_norm({d.x.data(), d.weight.data(), d.bias.data(), d.y.data(), kRows, kDim, 1e-5f});
    });
    add(k, "silu_mul", 12, [&k](Data& d) {
      k.silu_mul({d.x.data(), d.x.data(), d.y.data(), kRows * kDim});
    });
    add(k, "gelu", 8, [&k](Data& d) { k.gelu({d.x.data(), d.y.data(), kRows * kDim}); });
    add(k, "gelu_tanh", 8, [&k](Data& d) { k.gelu_tanh({d.x.data(), d.y.data(), kRows * kDim}); });
    add(k, "quick_gelu", 8, [&k](Data& d) {
      k.quick_gelu({d.x.data(), d.y.data(), kRows * kDim});
    });
    add(k, "softmax", 8, [&k](Data& d) {
      for (int64_t r = 0; r < kRows; ++r)
        k.softmax_row({d.y.data() + r * kDim, kDim, 0, kDim, 1.0f});
    });
  }
  return true;
}();

}  // namespace
}  // namespace isthmus::kernels
