// Products at the shapes of LLaVA-1.5-7B and of OpenFlamingo-3B's feed-forwards. GFLOP/s counts a multiply-add as two; bytes are the
// weights' bytes. Reported time is the minimum the run saw when called with --benchmark_repetitions
// and aggregates read by min.
#include <cstdint>
#include <vector>

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <oneapi/dnnl/dnnl.h>

#include "base/rng.h"
#include "nn/matmul.h"

namespace isthmus::nn {
namespace {

struct Operands {
  std::vector<float> x, y;
  std::vector<char> w;
  StoredMatrix matrix;
};

Operands operands(int64_t m, int64_t k, int64_t n, DType dtype) {
  Operands o;
  Rng rng(1);
  o.x.resize(static_cast<size_t>(m * k));
  for (float& value : o.x) value = static_cast<float>(rng.uniform() - 0.5);
  o.y.resize(static_cast<size_t>(m * n));
  o.w.resize(static_cast<size_t>(k * n) * size_of(dtype));
  for (int64_t i = 0; i < k * n; ++i) {
    const auto value = static_cast<float>(rng.uniform() - 0.5);
    const auto at = static_cast<size_t>(i);
    if (dtype == DType::kF32) reinterpret_cast<float*>(o.w.data())[at] = value;
    if (dtype == DType::kF16) reinterpret_cast<uint16_t*>(o.w.data())[at] = float_to_half(value);
    if (dtype == DType::kBF16)
      reinterpret_cast<uint16_t*>(o.w.data())[at] = float_to_bfloat16(value);
  }
  o.matrix = {dtype, o.w.data(), n, k, k};
  return o;
}

void set_rates(benchmark::State& state, int64_t m, int64_t k, int64_t n, DType dtype) {
  const double runs = static_cast<double>(state.iterations());
  state.counters["GFLOPs"] =
      benchmark::Counter(2e-9 * static_cast<double>(m * k * n) * runs, benchmark::Counter::kIsRate);
  state.counters["GBs"] = benchmark::Counter(
      1e-9 * static_cast<double>(k * n) * static_cast<double>(size_of(dtype)) * runs,
      benchmark::Counter::kIsRate);
}

void product(benchmark::State& state, DType dtype, Arithmetic arithmetic) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  at::set_num_threads(static_cast<int>(state.range(3)));
  Operands o = operands(m, k, n, dtype);
  for (auto _ : state) matmul_transposed(o.x.data(), m, o.matrix, nullptr, o.y.data(), arithmetic);
  set_rates(state, m, k, n, dtype);
}

void onednn_sgemm(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  at::set_num_threads(static_cast<int>(state.range(3)));
  Operands o = operands(m, k, n, DType::kF32);
  const auto* w = reinterpret_cast<const float*>(o.w.data());
  for (auto _ : state)
    dnnl_sgemm('N', 'T', m, n, k, 1.0f, o.x.data(), k, w, k, 0.0f, o.y.data(), n);
  set_rates(state, m, k, n, DType::kF32);
}

void prefill_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "in", "out", "threads"})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  for (const int64_t threads : {1, 2}) {
    b->Args({640, 4096, 4096, threads})
        ->Args({640, 4096, 11008, threads})
        ->Args({640, 11008, 4096, threads});
    b->Args({577, 1024, 1024, threads})
        ->Args({577, 1024, 4096, threads})
        ->Args({577, 4096, 1024, threads});
  }
}

void decode_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "in", "out", "threads"})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  for (const int64_t threads : {1, 2})
    for (const int64_t rows : {1, 4, 8}) b->Args({rows, 4096, 11008, threads});
}

// A prompt of a few examples, and a question after it.
void short_prompt_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "in", "out", "threads"})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  for (const int64_t threads : {1, 2})
    for (const int64_t rows : {1, 3, 6, 7, 8, 9, 18, 32, 64, 90, 180})
      b->Args({rows, 2048, 8192, threads})->Args({rows, 8192, 2048, threads});
}

#define PRODUCT(name, dtype, arithmetic)                                      \
  BENCHMARK_CAPTURE(product, name, dtype, arithmetic)->Apply(prefill_shapes); \
  BENCHMARK_CAPTURE(product, name##_decode, dtype, arithmetic)->Apply(decode_shapes);   \
  BENCHMARK_CAPTURE(product, name##_short_prompt, dtype, arithmetic)->Apply(short_prompt_shapes)

PRODUCT(float32, DType::kF32, Arithmetic::kFloat32);
PRODUCT(float16, DType::kF16, Arithmetic::kFloat32);
PRODUCT(bfloat16, DType::kBF16, Arithmetic::kFloat32);
PRODUCT(bfloat16_arithmetic, DType::kBF16, Arithmetic::kBFloat16);
BENCHMARK(onednn_sgemm)->Apply(prefill_shapes);

}  // namespace
}  // namespace isthmus::nn
