// Matrix-vector products and decode attention. Included inside the anonymous namespace of one
// instruction set's file, after rows.h and elements.h.

// How far in front of a weight row's reader the next lines are asked for. The processor follows
// several rows at once less well by itself: 3 to 20 % for one to eight rows of x.
constexpr int64_t kPrefetchBytes = 1024;

// R weight rows times M rows of x: R · M sums in registers, each weight vector loaded once.
template <class Element, int M, int R>
inline void matvec_tile(const MatvecArgs& a, int64_t first) {
  const char* w[R];
  for (int r = 0; r < R; ++r)
    w[r] = static_cast<const char*>(a.w) + (first + r) * a.row_stride * Element::kBytes;
  V sums[R][M] = {};
  int64_t i = 0;
  for (; i + kWidth <= a.cols; i += kWidth) {
    V row[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      row[r] = Element::load(w[r] + i * Element::kBytes);
      __builtin_prefetch(w[r] + i * Element::kBytes + kPrefetchBytes);
    }
#pragma GCC unroll 8
    for (int j = 0; j < M; ++j) {
      const V x = load(a.x + j * a.x_stride + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[r][j] = fma(row[r], x, sums[r][j]);
    }
  }
  // Unrolled like the loop above: sums indexed by a variable anywhere would live in memory
  // everywhere.
  if (const int64_t n = a.cols - i; n > 0) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const V row = Element::load_n(w[r] + i * Element::kBytes, n);
#pragma GCC unroll 8
      for (int j = 0; j < M; ++j)
        sums[r][j] = fma(row, load_n(a.x + j * a.x_stride + i, n), sums[r][j]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const float bias = a.bias != nullptr ? a.bias[first + r] : 0.0f;
#pragma GCC unroll 8
    for (int j = 0; j < M; ++j) a.y[j * a.y_stride + first + r] = sum_lanes(sums[r][j]) + bias;
  }
}

template <class Element, int M>
void matvec_rows(const MatvecArgs& a) {
  constexpr int kFitting = (kRegisters - 1) / (M + 1);  // R · M sums, R weights, one x
  constexpr int R = kFitting < 4 ? kFitting : 4;
  int64_t r = 0;
  for (; r + R <= a.rows; r += R) matvec_tile<Element, M, R>(a, r);
  for (; r < a.rows; ++r) matvec_tile<Element, M, 1>(a, r);
}

template <class Element>
void matvec(const MatvecArgs& a) {
  switch (a.m) {
    case 1: return matvec_rows<Element, 1>(a);
    case 2: return matvec_rows<Element, 2>(a);
    case 3: return matvec_rows<Element, 3>(a);
    case 4: return matvec_rows<Element, 4>(a);
    case 5: return matvec_rows<Element, 5>(a);
    case 6: return matvec_rows<Element, 6>(a);
    case 7: return matvec_rows<Element, 7>(a);
    case 8: return matvec_rows<Element, 8>(a);
    default: return;
  }
}

// out[g, d] = Σ_j weights[g, j] · value[j, d] for G heads and N vectors of d, all in registers.
template <class Element, int G, int N>
inline void weighted_values(const DecodeAttentionArgs& a, int64_t g0, int64_t d, int64_t lanes) {
  const int64_t count = a.end - a.begin;
  const float* weights = a.scores + g0 * count;
  const char* value =
      static_cast<const char*>(a.value) + (a.begin * a.value_stride + d) * Element::kBytes;
  V sums[G][N] = {};
  for (int64_t j = 0; j < count; ++j, value += a.value_stride * Element::kBytes) {
    V v[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i)
      v[i] = lanes == kWidth ? Element::load(value + i * kWidth * Element::kBytes)
                             : Element::load_n(value, lanes);
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
      const V weight = splat(weights[g * count + j]);
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) sums[g][i] = fma(weight, v[i], sums[g][i]);
    }
  }
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) {
    float* out = a.out + (g0 + g) * a.out_stride + d;
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      if (lanes == kWidth) {
        store(out + i * kWidth, sums[g][i]);
      } else {
        store_n(out, sums[g][i], lanes);
      }
    }
  }
}

template <class Element, int G>
inline void weighted_values_of_heads(const DecodeAttentionArgs& a, int64_t g0) {
  constexpr int N = G == 1 ? 8 : 2;
  int64_t d = 0;
  for (; d + N * kWidth <= a.head_dim; d += N * kWidth)
    weighted_values<Element, G, N>(a, g0, d, kWidth);
  for (; d + kWidth <= a.head_dim; d += kWidth) weighted_values<Element, G, 1>(a, g0, d, kWidth);
  if (d < a.head_dim) weighted_values<Element, G, 1>(a, g0, d, a.head_dim - d);
}

// x[i] = x[i] · by[i]
inline void multiply_rows(float* x, const float* by, int64_t count) {
  for_each_vector(count, [&](int64_t i, auto lanes) {
    store(x + i, load(x + i, lanes) * load(by + i, lanes), lanes);
  });
}

template <class Element>
void decode_attention(const DecodeAttentionArgs& a) {
  const int64_t count = a.end - a.begin;
  // Scores are the product of the group's queries with the key rows.
  for (int64_t g = 0; g < a.group; g += kMatvecMaxRows) {
    const int64_t heads = a.group - g < kMatvecMaxRows ? a.group - g : kMatvecMaxRows;
    matvec<Element>({a.query + g * a.query_stride, heads, a.query_stride,
                     static_cast<const char*>(a.key) + a.begin * a.key_stride * Element::kBytes,
                     count, a.head_dim, a.key_stride, nullptr, a.scores + g * count, count});
  }
  for (int64_t g = 0; g < a.group; ++g) {
    float* scores = a.scores + g * count;
    if (a.key_scales != nullptr) multiply_rows(scores, a.key_scales + a.begin, count);
    if (a.slopes != nullptr) {
      a.max[g] = add_slope(scores, count, a.scale, a.slopes[g], a.begin - a.position);
      a.sum[g] = exponentials(scores, count, 1.0f, a.max[g]);
    } else {
      a.max[g] = scaled_max(scores, count, a.scale);
      a.sum[g] = exponentials(scores, count, a.scale, a.max[g]);
    }
    if (a.value_scales != nullptr) multiply_rows(scores, a.value_scales + a.begin, count);
  }
  int64_t g = 0;
  for (; g + 4 <= a.group; g += 4) weighted_values_of_heads<Element, 4>(a, g);
  for (; g < a.group; ++g) weighted_values_of_heads<Element, 1>(a, g);
}
