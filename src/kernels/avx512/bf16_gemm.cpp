// Compiled with -mavx512bf16 besides the flags of avx512/kernels.cpp.
#include <immintrin.h>

#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

#include "kernels/avx512/vec.h"

// sum + a_even · b_even + a_odd · b_odd, the products exact.
inline V multiply_add(V sum, V a, V b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

#include "kernels/body/gemm.h"

void pack_rows(const PackRowsArgs& a) {
  pack_rows_with(a.rows, (a.depth + 1) / 2, a.out, [&](int64_t row, int64_t k, int64_t words) {
    const float* x = a.x + row * a.row_stride + 2 * k;
    const int64_t left = a.depth - 2 * k;
    if (words == kWidth && left >= 2 * kWidth)
      return (V)_mm512_cvtne2ps_pbh(load(x + kWidth), load(x));
    const V low = left >= kWidth ? load(x) : load_n(x, left);
    const V high = left > kWidth ? load_n(x + kWidth, left - kWidth) : V{};
    return (V)_mm512_cvtne2ps_pbh(high, low);
  });
}

// Two consecutive bfloat16 of a stored row already are a word.
void pack_columns(const PackColumnsArgs& a) {
  const char* w = static_cast<const char*>(a.w);
  pack_columns_with(a.cols, (a.depth + 1) / 2, a.out, [&](int64_t col, int64_t k, int64_t words) {
    const char* from = w + (col * a.row_stride + 2 * k) * 2;
    const int64_t left = a.depth - 2 * k;
    if (words == kWidth && left >= 2 * kWidth) return load(from);
    const auto elements = static_cast<__mmask32>((uint64_t{1} << left) - 1);
    return (V)_mm512_maskz_loadu_epi16(elements, from);
  });
}

}  // namespace

const PackedGemm kAvx512Bf16Gemm = {kTileRows, kTileCols, 2, 1, 1, 2048, false, pack_rows, pack_columns, gemm_block};

}  // namespace isthmus::kernels
