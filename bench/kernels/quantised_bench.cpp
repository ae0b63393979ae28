// Products with weights of 4, 5, 6 and 8 bits at the shapes of LLaVA-1.5-7B, x rounded to 8 bits
// within. GOP/s counts a multiply-add as two; bytes are the weights' bytes. For decoding there are
// several matrices, more than the caches hold.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/InferenceMode.h>
#include <torch/types.h>

#include "nn/dense_matrix.h"
#include "nn/quantised_matrix.h"

namespace isthmus::nn {
namespace {

void product(benchmark::State& state, DType kind) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  at::set_num_threads(static_cast<int>(state.range(3)));
  torch::manual_seed(1);
  const Tensor w = torch::randn({256, k}) * 0.02;
  const int64_t copies = m <= 8 ? 24 : 1;
  // Quantising takes longer than the benchmark: 256 rows again and again.
  const auto some = QuantisedMatrix::quantise(kind, DenseMatrix(w));
  const size_t part = some->bytes(), whole = QuantisedMatrix::bytes_of(kind, n, k);
  std::vector<std::shared_ptr<const QuantisedMatrix>> matrices;
  for (int64_t i = 0; i < copies; ++i) {
    const auto bytes = std::make_shared<const Tensor>(
        torch::empty({static_cast<int64_t>(whole) + 64}, torch::kUInt8));
    auto* start = bytes->data_ptr<uint8_t>();
    start += (64 - reinterpret_cast<uintptr_t>(start) % 64) % 64;
    for (size_t at = 0; at < whole; at += part)
      std::memcpy(start + at, some->blocks(), std::min(part, whole - at));
    matrices.push_back(std::make_shared<const QuantisedMatrix>(kind, n, k, start, bytes));
  }
  const Tensor x = torch::randn({m, k});
  const c10::InferenceMode inference;
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(matrices[next]->apply(x, {}));
    next = (next + 1) % matrices.size();
  }
  const auto runs = static_cast<double>(state.iterations());
  state.counters["GOPs"] =
      benchmark::Counter(2e-9 * static_cast<double>(m * k * n) * runs, benchmark::Counter::kIsRate);
  state.counters["GBs"] =
      benchmark::Counter(1e-9 * static_cast<double>(whole) * runs, benchmark::Counter::kIsRate);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "in", "out", "threads"})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  for (const int64_t threads : {1, 2}) {
    b->Args({640, 4096, 4096, threads})->Args({640, 11008, 4096, threads});
    b->Args({577, 1024, 4096, threads});
    for (const int64_t rows : {1, 2, 4, 8, 16, 64}) b->Args({rows, 4096, 11008, threads});
  }
}

BENCHMARK_CAPTURE(product, q4, DType::kQ4)->Apply(shapes);
BENCHMARK_CAPTURE(product, q5, DType::kQ5)->Apply(shapes);
BENCHMARK_CAPTURE(product, q6, DType::kQ6)->Apply(shapes);
BENCHMARK_CAPTURE(product, q8, DType::kQ8)->Apply(shapes);

}  // namespace
}  // namespace isthmus::nn
