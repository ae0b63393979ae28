// Attention at the shapes of CLIP ViT-L/14-336 and LLaMA-7B. GFLOP/s counts only visible pairs.
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "nn/kv_cache.h"
#include "nn/ops.h"

namespace isthmus::nn {
namespace {

// Arguments: queries, keys, heads, key/value heads, head_dim, causal, threads.
void attention(benchmark::State& state) {
  c10::InferenceMode inference;
  const int64_t queries = state.range(0), keys = state.range(1), heads = state.range(2),
                kv_heads = state.range(3);
  const int64_t head_dim = state.range(4);
  const bool causal = state.range(5) != 0;
  at::set_num_threads(static_cast<int>(state.range(6)));
  const Tensor query = torch::randn({1, queries, heads, head_dim});
  const Tensor key = torch::randn({1, kv_heads, keys, head_dim}),
               value = torch::randn({1, kv_heads, keys, head_dim});
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  for (auto _ : state)
    benchmark::DoNotOptimize(ops::attention(query, key, value, scale, {causal, 0, {}}));
  const double pairs = causal ? 0.5 * static_cast<double>(queries * (2 * keys - queries + 1))
                              : static_cast<double>(queries * keys);
  const double runs = static_cast<double>(state.iterations());
  state.counters["GFLOPs"] = benchmark::Counter(
      4e-9 * pairs * static_cast<double>(heads * head_dim) * runs, benchmark::Counter::kIsRate);
  state.counters["GBs"] = benchmark::Counter(
      8e-9 * static_cast<double>(keys * kv_heads * head_dim) * runs, benchmark::Counter::kIsRate);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"queries", "keys", "heads", "kv_heads", "head_dim", "causal", "threads"})
      ->Unit(benchmark::kMicrosecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  for (const int64_t threads : {1, 2}) {
    b->Args({577, 577, 16, 16, 64, 0, threads});
    b->Args({640, 640, 32, 32, 128, 1, threads});
    b->Args({1, 640, 32, 32, 128, 1, threads});
    b->Args({1, 640, 32, 4, 64, 1, threads});
  }
}
BENCHMARK(attention)->Apply(shapes);

// Over a cache in each storage: prefill behind nothing, and decoding from layers that together are
// more than the caches hold. Bytes are those that are held.
void cached_attention(benchmark::State& state, KvStorage storage) {
  c10::InferenceMode inference;
  constexpr int64_t kHeadDim = 128, kLayers = 8;
  const int64_t queries = state.range(0), keys = state.range(1), heads = state.range(2),
                kv_heads = state.range(3);
  at::set_num_threads(static_cast<int>(state.range(4)));
  KvCache cache({kLayers, kv_heads, kHeadDim}, 1, keys, storage);
  const Tensor rows = torch::randn({1, keys, kv_heads, kHeadDim});
  std::vector<std::pair<CachedRows, CachedRows>> layers;
  for (int64_t layer = 0; layer < kLayers; ++layer)
    layers.push_back(cache.append(layer, rows, rows));
  const Tensor query = torch::randn({1, queries, heads, kHeadDim});
  const double scale = 1 / std::sqrt(static_cast<double>(kHeadDim));
  size_t next = 0;
  for (auto _ : state) {
    const auto& [key, value] = layers[next++ % layers.size()];
    benchmark::DoNotOptimize(ops::attention(query, key, value, scale, {true, 0, {}}));
  }
  const CachedRows& held = layers.front().first;
  const auto bytes = static_cast<double>(
      2 * (held.rows.nbytes() + (held.scales.defined() ? held.scales.nbytes() : 0)));
  state.counters["GBs"] = benchmark::Counter(1e-9 * bytes * static_cast<double>(state.iterations()),
                                             benchmark::Counter::kIsRate);
}

void cached_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"queries", "keys", "heads", "kv_heads", "threads"})
      ->Unit(benchmark::kMicrosecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  for (const int64_t threads : {1, 2}) {
    b->Args({640, 640, 32, 32, threads});
    b->Args({1, 640, 32, 32, threads});
    b->Args({1, 2048, 32, 32, threads});
    b->Args({1, 2048, 32, 8, threads});
  }
}
BENCHMARK_CAPTURE(cached_attention, f32, KvStorage::kF32)->Apply(cached_shapes);
BENCHMARK_CAPTURE(cached_attention, f16, KvStorage::kF16)->Apply(cached_shapes);
BENCHMARK_CAPTURE(cached_attention, q8, KvStorage::kQ8)->Apply(cached_shapes);

}  // namespace
}  // namespace isthmus::nn
