// The blocked product: packing and the register tile. Included inside the anonymous namespace of
// one instruction set's file, after vec.h; multiply_add(sum, a, b) is the step on one packed word,
// defined before inclusion.

constexpr int kTileCols = 2 * kWidth;

// rows × depth words of A, given as vectors by load_words(row, k, words), into panels of kTileRows
// rows.
template <class LoadWords>
inline void pack_rows_with(int64_t rows, int64_t depth, float* out, const LoadWords& load_words) {
  static_assert(kTileRows <= 2 * kWidth);
  for (int64_t first = 0; first < rows; first += kTileRows) {
    const int64_t panel = rows - first < kTileRows ? rows - first : kTileRows;
    for (int64_t part = 0; part < panel; part += kWidth) {
      const int64_t lanes = panel - part < kWidth ? panel - part : kWidth;
      for (int64_t k = 0; k < depth; k += kWidth) {
        const int64_t words = depth - k < kWidth ? depth - k : kWidth;
        V block[kWidth];
        for (int r = 0; r < kWidth; ++r)
          block[r] = r < lanes ? load_words(first + part + r, k, words) : V{};
        transpose(block);
        for (int i = 0; i < words; ++i) {
          float* to = out + (k + i) * panel + part;
          if (lanes == kWidth) {
            store(to, block[i]);
          } else {
            store_n(to, block[i], lanes);
          }
        }
      }
    }
    out += panel * depth;
  }
}

// cols × depth words of B, columns given as vectors along the depth by load_words(col, k, words),
// into panels of Panel columns.
template <int Panel = kTileCols, class LoadWords>
inline void pack_columns_with(int64_t cols, int64_t depth, float* out,
                              const LoadWords& load_words) {
  for (int64_t first = 0; first < cols; first += Panel) {
    for (int64_t part = 0; part < Panel; part += kWidth) {
      const int64_t lanes = cols - first - part;
      for (int64_t k = 0; k < depth; k += kWidth) {
        const int64_t words = depth - k < kWidth ? depth - k : kWidth;
        V block[kWidth];
        if (lanes >= kWidth) {
          for (int r = 0; r < kWidth; ++r) block[r] = load_words(first + part + r, k, words);
        } else {
          for (int r = 0; r < kWidth; ++r)
            block[r] = r < lanes ? load_words(first + part + r, k, words) : V{};
        }
        transpose(block);
        for (int i = 0; i < words; ++i) store(out + (k + i) * Panel + part, block[i]);
      }
    }
    out += Panel * depth;
  }
}

// R × kTileCols of C in registers.
template <int R>
inline void tile(const float* a, const float* b, int64_t depth, float* c, int64_t c_stride,
                 int64_t cols, bool accumulate, const float* bias) {
  V sums[R][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const V b0 = load(b), b1 = load(b + kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V x = splat(a[r]);
      sums[r][0] = multiply_add(sums[r][0], x, b0);
      sums[r][1] = multiply_add(sums[r][1], x, b1);
    }
    a += R;
    b += kTileCols;
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    float* to = c + r * c_stride;
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const int64_t at = half * kWidth, lanes = cols - at;
      V sum = sums[r][half];
      if (lanes >= kWidth) {
        if (accumulate) sum = sum + load(to + at);
        if (bias != nullptr) sum = sum + load(bias + at);
        store(to + at, sum);
      } else if (lanes > 0) {
        if (accumulate) sum = sum + load_n(to + at, lanes);
        if (bias != nullptr) sum = sum + load_n(bias + at, lanes);
        store_n(to + at, sum, lanes);
      }
    }
  }
}

using Tile = void (*)(const float*, const float*, int64_t, float*, int64_t, int64_t, bool,
                      const float*);

// The tile for a panel of `rows` rows.
template <int R>
inline Tile tile_for(int64_t rows) {
  if constexpr (R > 1) {
    if (rows < R) return tile_for<R - 1>(rows);
  }
  return tile<R>;
}

// Row panels outside, so that one panel of A stays in the first-level cache while B streams from
// the second.
void gemm_block(const GemmBlockArgs& g) {
  const float* a = g.a;
  for (int64_t r = 0; r < g.rows; r += kTileRows) {
    const int64_t panel = g.rows - r < kTileRows ? g.rows - r : kTileRows;
    const Tile multiply = tile_for<kTileRows>(panel);
    const float* b = g.b;
    for (int64_t n = 0; n < g.cols; n += kTileCols) {
      multiply(a, b, g.depth, g.c + r * g.c_stride + n, g.c_stride, g.cols - n, g.accumulate,
               g.bias != nullptr ? g.bias + n : nullptr);
      b += g.b_panel_stride;
    }
    a += panel * g.depth;
  }
}
