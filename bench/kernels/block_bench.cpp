// The linear layers, attention and row operators of one whole pass, without the model code around
// them: what bench/peer_pytorch.py times in PyTorch. One block's weights serve all layers, as
// there.
#include <cmath>

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "nn/allocation.h"
#include "nn/matmul.h"
#include "nn/ops.h"

namespace isthmus::nn {
namespace {

struct Weights {
  Tensor data;
  StoredMatrix matrix;
};

Weights weights(int64_t out, int64_t in, bool bfloat16) {
  const Tensor data =
      torch::randn({out, in}).mul_(0.02).to(bfloat16 ? torch::kBFloat16 : torch::kFloat);
  return {data, {bfloat16 ? DType::kBF16 : DType::kF32, data.data_ptr(), out, in, in}};
}

Tensor linear(const Tensor& x, const Weights& w, const Tensor& bias, Arithmetic arithmetic) {
  const Tensor dense = x.contiguous();
  const int64_t rows = dense.numel() / w.matrix.cols;
  Tensor y = torch::empty({1, rows, w.matrix.rows});
  matmul_transposed(dense.data_ptr<float>(), rows, w.matrix,
                    bias.defined() ? bias.data_ptr<float>() : nullptr, y.data_ptr<float>(),
                    arithmetic);
  return y;
}

void clip_encode(benchmark::State& state, bool bfloat16) {
  constexpr int64_t kRows = 577, kHidden = 1024, kIntermediate = 4096, kHeads = 16, kLayers = 23;
  keep_large_blocks();
  c10::InferenceMode inference;
  at::set_num_threads(static_cast<int>(state.range(0)));
  const Arithmetic arithmetic = bfloat16 ? Arithmetic::kBFloat16 : Arithmetic::kFloat32;
  const Weights q = weights(kHidden, kHidden, bfloat16), k = weights(kHidden, kHidden, bfloat16);
  const Weights v = weights(kHidden, kHidden, bfloat16), out = weights(kHidden, kHidden, bfloat16);
  const Weights fc1 = weights(kIntermediate, kHidden, bfloat16),
                fc2 = weights(kHidden, kIntermediate, bfloat16);
  const Tensor one = torch::ones({kHidden}), bias = torch::zeros({kHidden}),
               wide_bias = torch::zeros({kIntermediate});
  const Tensor x = torch::randn({1, kRows, kHidden});
  const auto heads = [](const Tensor& t) { return t.view({1, -1, kHeads, kHidden / kHeads}); };
  for (auto _ : state) {
    Tensor h = x;
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      const Tensor n = ops::layer_norm(h, one, bias, 1e-5);
      const Tensor a =
          ops::attention(heads(linear(n, q, bias, arithmetic)),
                         heads(linear(n, k, bias, arithmetic)).transpose(1, 2),
                         heads(linear(n, v, bias, arithmetic)).transpose(1, 2), 0.125, {});
      h = h + linear(a, out, bias, arithmetic);
      const Tensor m = linear(ops::layer_norm(h, one, bias, 1e-5), fc1, wide_bias, arithmetic);
      h = h + linear(ops::quick_gelu(m), fc2, bias, arithmetic);
    }
    benchmark::DoNotOptimize(h);
  }
}

void llama_block(benchmark::State& state, bool bfloat16) {
  constexpr int64_t kRows = 640, kHidden = 4096, kIntermediate = 11008, kHeads = 32,
                    kHeadDim = kHidden / kHeads;
  keep_large_blocks();
  c10::InferenceMode inference;
  at::set_num_threads(static_cast<int>(state.range(0)));
  const Arithmetic arithmetic = bfloat16 ? Arithmetic::kBFloat16 : Arithmetic::kFloat32;
  const Weights q = weights(kHidden, kHidden, bfloat16), k = weights(kHidden, kHidden, bfloat16);
  const Weights v = weights(kHidden, kHidden, bfloat16), out = weights(kHidden, kHidden, bfloat16);
  const Weights gate = weights(kIntermediate, kHidden, bfloat16),
                up = weights(kIntermediate, kHidden, bfloat16);
  const Weights down = weights(kHidden, kIntermediate, bfloat16);
  const Tensor one = torch::ones({kHidden}), none;
  const Tensor x = torch::randn({1, kRows, kHidden}),
               angles = torch::rand({1, kRows, kHeadDim / 2});
  const Tensor cos = angles.cos(), sin = angles.sin();
  const auto heads = [](const Tensor& t) { return t.view({1, -1, kHeads, kHeadDim}); };
  const double scale = 1 / std::sqrt(static_cast<double>(kHeadDim));
  for (auto _ : state) {
    const Tensor n = ops::rms_norm(x, one, 1e-5);
    const auto rotate = [&](const Tensor& t) {
      return ops::rotary(heads(t), cos, sin, RotaryLayout::kHalves);
    };
    const Tensor a =
        ops::attention(rotate(linear(n, q, none, arithmetic)),
                       rotate(linear(n, k, none, arithmetic)).transpose(1, 2),
                       heads(linear(n, v, none, arithmetic)).transpose(1, 2), scale, {true, 0, {}});
    const Tensor h = x + linear(a, out, none, arithmetic);
    const Tensor m = ops::rms_norm(h, one, 1e-5);
    const Tensor y =
        ops::silu_mul(linear(m, gate, none, arithmetic), linear(m, up, none, arithmetic));
    benchmark::DoNotOptimize(h + linear(y, down, none, arithmetic));
  }
}

BENCHMARK_CAPTURE(clip_encode, float32_23_blocks, false)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(clip_encode, bfloat16_23_blocks, true)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(llama_block, float32_prefill_640, false)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(llama_block, bfloat16_prefill_640, true)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

}  // namespace
}  // namespace isthmus::nn
