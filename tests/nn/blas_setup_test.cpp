#include "nn/blas_setup.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace isthmus::nn {
namespace {

TEST(BlasSetup, LeavesNoSseFallbackAndProductsStayRight) {
  setup_blas();
  const std::string description = blas_description();
  EXPECT_EQ(description.find("Prescott"), std::string::npos) << description;
  const torch::Tensor a = torch::randn({33, 65}), b = torch::randn({65, 17});
  const torch::Tensor exact = torch::matmul(a.to(torch::kDouble), b.to(torch::kDouble));
  EXPECT_LT((torch::matmul(a, b).to(torch::kDouble) - exact).abs().max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace isthmus::nn
