// Stored rows times a packed panel. Included inside the anonymous namespace of one instruction
// set's file, after gemm_f32.h.

template <int N>
void pack_panel_of(const PackPanelArgs& a) {
  pack_columns_with<N * kWidth>(a.rows, a.depth, a.out, [&](int64_t row, int64_t k, int64_t words) {
    const float* x = a.x + row * a.row_stride + k;
    return words == kWidth ? load(x) : load_n(x, words);
  });
}

void pack_panel(const PackPanelArgs& a) {
  switch (a.vectors) {
    case 1: return pack_panel_of<1>(a);
    case 2: return pack_panel_of<2>(a);
    default: return;
  }
}

// R weight rows times the N vectors of the panel.
template <int R, int N>
inline void stream_tile(const StreamArgs& a, int64_t first) {
  const char* w = static_cast<const char*>(a.w) + first * a.row_stride * F32::kBytes;
  V sums[R][N] = {};
  for (int64_t k = 0; k < a.depth; ++k) {
    V x[N];
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) x[n] = load(a.panel + (k * N + n) * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      float weight;
      __builtin_memcpy(&weight, w + (r * a.row_stride + k) * F32::kBytes, sizeof weight);
      const V row = splat(weight);
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) sums[r][n] = fma(row, x[n], sums[r][n]);
    }
  }
  float block[R][N * kWidth];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) store(&block[r][n * kWidth], sums[r][n]);
  }
  for (int64_t j = 0; j < a.cols; ++j) {
    float* y = a.y + j * a.y_stride + first;
    for (int r = 0; r < R; ++r) {
      const float before = a.accumulate ? y[r] : 0.0f;
      const float bias = a.bias != nullptr ? a.bias[first + r] : 0.0f;
      y[r] = before + block[r][j] + bias;
    }
  }
}

template <int N>
void stream_panel(const StreamArgs& a) {
  int64_t r = 0;
  for (; r + kTileRows <= a.rows; r += kTileRows) stream_tile<kTileRows, N>(a, r);
  for (; r + 4 <= a.rows; r += 4) stream_tile<4, N>(a, r);
  for (; r < a.rows; ++r) stream_tile<1, N>(a, r);
}

void stream(const StreamArgs& a) {
  switch (a.vectors) {
    case 1: return stream_panel<1>(a);
    case 2: return stream_panel<2>(a);
    default: return;
  }
}
