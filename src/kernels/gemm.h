// Blocked matrix product C = A · B on packed operands.                  Goto & van de Geijn 2008
//
// A is packed into panels of tile_rows rows: within a panel, depth step k holds the panel's rows
// next to each other. The last panel holds only the rows that are left. B is packed into panels of
// tile_cols columns: step k holds tile_cols columns, missing ones as zeros. One "word" of a packed
// operand is a float32, or in the bfloat16 product two consecutive depth elements. FLOP bound: 2 ·
// rows · cols · depth at the FMA (or bf16 dot) rate.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// A row r = x + r · row_stride, `depth` floats; by depth: its depth k is x[k · row_stride + r]. out:
// rows · depth_words(depth).
struct PackRowsArgs {
  const float* x;
  int64_t row_stride, rows, depth;
  float* out;
};

// Columns of B are stored rows (y = x · wᵀ): column n, depth k is w[n · row_stride + k].
// By depth (dx = dy · w, and values of attention): column n, depth k is w[k · row_stride + n].
// row_stride in elements of w, which may be unaligned. out: round_up(cols, tile_cols) ·
// depth_words(depth).
struct PackColumnsArgs {
  const void* w;
  int64_t row_stride, cols, depth;
  float* out;
};

// C[r · c_stride + n] = Σ_k A[r,k] · B[k,n], added to what C holds if `accumulate`; + bias[n] if
// not null. Panels of A follow each other; panels of B are b_panel_stride floats apart. depth in
// words.
struct GemmBlockArgs {
  const float* a;
  const float* b;
  int64_t b_panel_stride;
  int64_t rows, cols, depth;
  float* c;
  int64_t c_stride;
  bool accumulate;
  const float* bias;
};

}  // namespace isthmus::kernels
