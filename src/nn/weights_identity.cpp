#include "nn/weights_identity.h"

#include <algorithm>

#include <fmt/format.h>

#include "kernels/table.h"
#include "nn/dense_matrix.h"
#include "nn/slots.h"

namespace isthmus::nn {
namespace {

constexpr int64_t kRows = 16;
constexpr int64_t kSmall = int64_t{1} << 16;  // elements

void add_values(ContentHasher& hasher, const Tensor& values) {
  const Tensor dense = values.to(torch::kFloat).contiguous();
  hasher.add({static_cast<const char*>(dense.data_ptr()), dense.nbytes()});
}

void add_matrix(ContentHasher& hasher, const WeightMatrix& matrix) {
  const int64_t rows = matrix.rows(), cols = matrix.cols();
  const auto* dense = dynamic_cast<const DenseMatrix*>(&matrix);
  hasher.add(fmt::format(" {} {}", name_of(matrix.dtype()),
                         dense != nullptr ? static_cast<int>(dense->arithmetic()) : 0));
  if (rows == 0 || cols == 0) return;
  const int64_t shown = rows * cols <= kSmall ? rows : std::min(rows, kRows);
  Tensor ids = torch::empty({shown}, torch::kLong);
  for (int64_t i = 0; i < shown; ++i)  // the first, the last, and some between them
    ids.data_ptr<int64_t>()[i] = shown > 1 ? i * (rows - 1) / (shown - 1) : 0;
  add_values(hasher, matrix.gather_rows(ids));
}

}  // namespace

void add_weights(ContentHasher& hasher, torch::nn::Module& root,
                 std::initializer_list<std::string_view> parts) {
  const torch::NoGradGuard no_gradient;
  for (const Slot& slot : slots_of(root)) {
    if (std::ranges::none_of(parts, [&](auto part) { return slot.name.starts_with(part); }))
      continue;
    hasher.add(fmt::format("\n{} {}", slot.name, to_string(slot.shape)));
    if (const auto matrix = slot.is_matrix() ? slot.matrix() : nullptr)
      add_matrix(hasher, *matrix);
    else if (const Tensor value = slot.value(); value.defined())
      add_values(hasher, value);
  }
}

std::string arithmetic_in_use() {
  return fmt::format("{} {} {}", kernels::isa_name(), kernels::quantised_kernels().name,
                     kernels::bf16_gemm() != nullptr ? "bf16" : "");
}

}  // namespace isthmus::nn
