#include "doctor.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>
#include <nlohmann/json.hpp>

#include "isthmus/version.h"
#include "kernels/table.h"
#include "nn/blas_setup.h"
#include "nn/matmul.h"

namespace isthmus::cli {
namespace {

constexpr int kRepetitions = 7;

// Seconds of the fastest of a few calls, after one that is not counted.
template <typename Action>
double fastest(const Action& action) {
  double best = 1e9;
  for (int i = 0; i <= kRepetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    action();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i > 0) best = std::min(best, seconds);
  }
  return best;
}

struct Speed {
  double gflops,
      gigabytes;  // float32 product of prefill shape; float16 matrix-vector product from memory
};

Speed measure() {
  constexpr int64_t kRows = 256, kIn = 4096, kOut = 2048, kBigOut = 32768;
  std::vector<float> x(kRows * kIn, 0.5f), y(kRows * kBigOut), weights(kOut * kIn, 0.25f);
  std::vector<uint16_t> halves(kBigOut * kIn, 0x3400);
  const nn::StoredMatrix dense{DType::kF32, weights.data(), kOut, kIn, kIn};
  const nn::StoredMatrix stored{DType::kF16, halves.data(), kBigOut, kIn, kIn};
  const double product = fastest([&] {
    nn::matmul_transposed(x.data(), kRows, dense, nullptr, y.data(), nn::Arithmetic::kFloat32);
  });
  const double vector = fastest([&] {
    nn::matmul_transposed(x.data(), 1, stored, nullptr, y.data(), nn::Arithmetic::kFloat32);
  });
  return {2.0 * kRows * kIn * kOut / product / 1e9,
          static_cast<double>(halves.size() * 2) / vector / 1e9};
}

}  // namespace

int doctor(const Options& options) {
  const auto processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  nn::setup_blas();
  at::set_num_threads(processors);
  const auto isas = kernels::supported_isas();
  const std::vector<std::string> supported(isas.begin(), isas.end());
  const char* quantised = kernels::quantised_kernels().name;
  const bool bf16 = kernels::bf16_gemm() != nullptr;
  const Speed speed = measure();
  if (options.json) {
    const nlohmann::ordered_json json{
        {"isthmus", version()},           {"libtorch", TORCH_VERSION},
        {"processors", processors},       {"kernels", kernels::isa_name()},
        {"kernels_supported", supported}, {"quantised_products", quantised},
        {"bfloat16_products", bf16},      {"blas", nn::blas_description()},
        {"float32_gflops", speed.gflops}, {"float16_matrix_vector_gb_per_s", speed.gigabytes}};
    fmt::print("{}\n", json.dump(1));
    return 0;
  }
  fmt::print("isthmus   {}, libtorch {}\n", version(), TORCH_VERSION);
  fmt::print(
      "processor {} threads; kernels {} of {}; quantised products {}, bfloat16 products {}\n",
      processors, kernels::isa_name(), fmt::join(supported, ", "), quantised,
      bf16 ? "in hardware" : "as float32");
  fmt::print("training  {}\n", nn::blas_description());
  fmt::print(
      "speed     {:.0f} GFLOP/s float32 product, {:.1f} GB/s float16 matrix-vector product\n",
      speed.gflops, speed.gigabytes);
  return 0;
}

}  // namespace isthmus::cli
