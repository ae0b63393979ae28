// Blocked matrix product C = A · B on packed operands.                  Goto & van de Geijn 2008
//
// A is packed into panels of tile_rows rows: within a panel, depth step k holds the panel's rows
// next to each other. B is packed into panels of tile_cols columns: step k holds tile_cols columns,
// missing ones as zeros. A step is one depth element, in the bfloat16 product on registers two and in
// the products on tiles 32. The last panel of A holds only the rows that are left; on tiles it is whole.
// FLOP bound: 2 · rows · cols · depth at the FMA (or bf16 dot) rate.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// A row r = x + r · row_stride, `depth` floats; by depth: its depth k is x[k · row_stride + r]. out:
// rows · steps · PackedGemm::row_words.
struct PackRowsArgs {
  const float* x;
  int64_t row_stride, rows, depth;
  float* out;
  bool* not_finite = nullptr;  // set by kernels on tiles that meet infinity or NaN, whose products they get wrong
};

// Columns of B are stored rows (y = x · wᵀ): column n, depth k is w[n · row_stride + k].
// By depth (dx = dy · w, and values of attention): column n, depth k is w[k · row_stride + n].
// row_stride in elements of w, which may be unaligned. out: round_up(cols, tile_cols) ·
// depth_words(depth).
struct PackColumnsArgs {
  const void* w;
  int64_t row_stride, cols, depth;
  float* out;
  bool* not_finite = nullptr;
};

// C[r · c_stride + n] = Σ_k A[r,k] · B[k,n], added to what C holds if `accumulate`; + bias[n] if
// not null. Panels of A follow each other; panels of B are b_panel_stride floats apart. depth in
// steps. On tiles sums lie in `sums`, whole panels of rows and columns, until C is written at the `last` call.
struct GemmBlockArgs {
  const float* a;
  const float* b;
  int64_t b_panel_stride;
  int64_t rows, cols, depth;
  float* c;
  int64_t c_stride;
  bool accumulate;
  const float* bias;
  float* sums = nullptr;
  bool last = true;
};

}  // namespace isthmus::kernels
