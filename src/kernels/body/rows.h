// Norms, activations, rotary embedding, softmax, conversions. Included inside the anonymous
// namespace of one instruction set's file, after vec.h and math.h. Bound by memory: each element is
// read and written once.

// A whole vector, or its first n lanes at the end of a row.
struct Whole {};
struct Rest {
  int64_t n;
};
inline V load(const float* p, Whole) { return load(p); }
inline V load(const float* p, Rest rest) { return load_n(p, rest.n); }
inline void store(float* p, V v, Whole) { store(p, v); }
inline void store(float* p, V v, Rest rest) { store_n(p, v, rest.n); }

// step(i, Whole or Rest) for the vectors of `count` elements.
template <class Step>
inline void for_each_vector(int64_t count, const Step& step) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) step(i, Whole{});
  if (i < count) step(i, Rest{count - i});
}

inline float sum_of_squares(const float* x, int64_t dim, V mean) {
  V s0{}, s1{}, s2{}, s3{};
  int64_t i = 0;
  for (; i + 4 * kWidth <= dim; i += 4 * kWidth) {
    const V a = load(x + i) - mean, b = load(x + i + kWidth) - mean;
    const V c = load(x + i + 2 * kWidth) - mean, d = load(x + i + 3 * kWidth) - mean;
    s0 = fma(a, a, s0);
    s1 = fma(b, b, s1);
    s2 = fma(c, c, s2);
    s3 = fma(d, d, s3);
  }
  for (; i + kWidth <= dim; i += kWidth) {
    const V a = load(x + i) - mean;
    s0 = fma(a, a, s0);
  }
  float total = sum_lanes((s0 + s1) + (s2 + s3));
  for (; i < dim; ++i) {
    const float a = x[i] - mean[0];
    total += a * a;
  }
  return total;
}

inline float mean_of(const float* x, int64_t dim) {
  V s0{}, s1{};
  int64_t j = 0;
  for (; j + 2 * kWidth <= dim; j += 2 * kWidth) {
    s0 = s0 + load(x + j);
    s1 = s1 + load(x + j + kWidth);
  }
  float total = sum_lanes(s0 + s1);
  for (; j < dim; ++j) total += x[j];
  return total / static_cast<float>(dim);
}

void rms_norm(const RmsNormArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.dim;
    float* y = a.y + r * a.dim;
    const float mean_square = sum_of_squares(x, a.dim, V{}) / static_cast<float>(a.dim);
    const V scale = splat(1.0f / __builtin_sqrtf(mean_square + a.eps));
    for_each_vector(a.dim, [&](int64_t i, auto lanes) {
      store(y + i, load(x + i, lanes) * scale * load(a.weight + i, lanes), lanes);
    });
  }
}

void layer_norm(const LayerNormArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.dim;
    float* y = a.y + r * a.dim;
    const V mean = splat(mean_of(x, a.dim));
    const float variance = sum_of_squares(x, a.dim, mean) / static_cast<float>(a.dim);
    const V scale = splat(1.0f / __builtin_sqrtf(variance + a.eps));
    if (a.bias != nullptr) {
      for_each_vector(a.dim, [&](int64_t i, auto lanes) {
        const V scaled = (load(x + i, lanes) - mean) * scale;
        store(y + i, fma(scaled, load(a.weight + i, lanes), load(a.bias + i, lanes)), lanes);
      });
    } else {
      for_each_vector(a.dim, [&](int64_t i, auto lanes) {
        const V scaled = (load(x + i, lanes) - mean) * scale;
        store(y + i, scaled * load(a.weight + i, lanes), lanes);
      });
    }
  }
}

inline V gelu_of(V x) {
  const V half = splat(0.5f) * x;
  return fma(half, erf(x * splat(0.707106781f)), half);
}
// ½ x (1 + tanh u) = x σ(2u), u = √(2/π) (x + 0.044715 x³)
inline V gelu_tanh_of(V x) {
  const V u = splat(0.797884561f) * fma(splat(0.044715f) * x, x * x, x);
  return sigmoid_times(u + u, x);
}
inline V quick_gelu_of(V x) { return sigmoid_times(splat(1.702f) * x, x); }

template <V (*Function)(V)>
void activate(const ActivationArgs& a) {
  for_each_vector(a.count, [&](int64_t i, auto lanes) {
    store(a.y + i, Function(load(a.x + i, lanes)), lanes);
  });
}

void silu_mul(const SiluMulArgs& a) {
  for_each_vector(a.count, [&](int64_t i, auto lanes) {
    const V gate = load(a.gate + i, lanes);
    store(a.y + i, sigmoid_times(gate, gate * load(a.up + i, lanes)), lanes);
  });
}

// Behind the rotated elements of a head.
inline void copy_rest(const float* x, float* y, const RotaryArgs& a) {
  const auto bytes = static_cast<size_t>(a.head_dim - a.rotary_dims) * sizeof(float);
  if (bytes > 0 && x != y) __builtin_memcpy(y + a.rotary_dims, x + a.rotary_dims, bytes);
}

void rotary_halves(const RotaryArgs& a) {
  const int64_t half = a.rotary_dims / 2;
  for (int64_t h = 0; h < a.heads; ++h) {
    const float* x = a.x + h * a.x_stride;
    float* y = a.y + h * a.head_dim;
    for_each_vector(half, [&](int64_t i, auto lanes) {
      const V c = load(a.cos + i, lanes), sn = load(a.sin + i, lanes);
      const V u = load(x + i, lanes), v = load(x + half + i, lanes);
      store(y + i, fma(u, c, -(v * sn)), lanes);
      store(y + half + i, fma(v, c, u * sn), lanes);
    });
    copy_rest(x, y, a);
  }
}

void rotary_pairs(const RotaryArgs& a) {
  for (int64_t h = 0; h < a.heads; ++h) {
    const float* x = a.x + h * a.x_stride;
    float* y = a.y + h * a.head_dim;
    for (int64_t i = 0; i < a.rotary_dims / 2; ++i) {
      const float u = x[2 * i], v = x[2 * i + 1], c = a.cos[i], s = a.sin[i];
      y[2 * i] = u * c - v * s;
      y[2 * i + 1] = v * c + u * s;
    }
    copy_rest(x, y, a);
  }
}

inline float max_of(const float* x, int64_t count) {
  V m = splat(-__builtin_inff());
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) m = max(load(x + i), m);
  float best = max_lanes(m);
  for (; i < count; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

// x[i] = exp(scale · x[i] - highest); returns their sum.
inline float exponentials(float* x, int64_t count, float scale, float highest) {
  const V factor = splat(scale), shift = splat(-highest);
  V total{};
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    const V e = exp(fma(load(x + i), factor, shift));
    store(x + i, e);
    total = total + e;
  }
  float sum = sum_lanes(total);
  if (const int64_t n = count - i; n > 0) {
    store_n(x + i, exp(fma(load_n(x + i, n), factor, shift)), n);
    for (; i < count; ++i) sum += x[i];
  }
  return sum;
}

// max_i(scale · x[i]); the scale may be negative.
inline float scaled_max(float* x, int64_t count, float scale) {
  if (scale >= 0) return scale * max_of(x, count);
  for (int64_t i = 0; i < count; ++i) x[i] = -x[i];
  const float highest = -scale * max_of(x, count);
  for (int64_t i = 0; i < count; ++i) x[i] = -x[i];
  return highest;
}

// x[i] = scale · x[i] + slope · (first + i); returns the highest.
inline float add_slope(float* x, int64_t count, float scale, float slope, int64_t first) {
  float lanes[kWidth];
  for (int i = 0; i < kWidth; ++i) lanes[i] = static_cast<float>(i);
  const V ramp = load(lanes), factor = splat(scale), rise = splat(slope);
  V m = splat(-__builtin_inff());
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    const V distance = splat(static_cast<float>(first + i)) + ramp;
    const V score = fma(load(x + i), factor, rise * distance);
    store(x + i, score);
    m = max(score, m);
  }
  float best = max_lanes(m);
  for (; i < count; ++i) {
    x[i] = scale * x[i] + slope * static_cast<float>(first + i);
    best = x[i] > best ? x[i] : best;
  }
  return best;
}

void softmax_row(const SoftmaxArgs& a) {
  const int64_t begin = a.begin < a.end ? a.begin : a.count,
                end = a.begin < a.end ? a.end : a.count;
  __builtin_memset(a.row, 0, static_cast<size_t>(begin) * sizeof(float));
  __builtin_memset(a.row + end, 0, static_cast<size_t>(a.count - end) * sizeof(float));
  float* x = a.row + begin;
  const int64_t count = end - begin;
  if (count == 0) return;
  float sum;
  if (a.slope != 0) {
    const float highest = add_slope(x, count, a.scale, a.slope, begin - a.position);
    sum = exponentials(x, count, 1.0f, highest);
  } else {
    sum = exponentials(x, count, a.scale, scaled_max(x, count, a.scale));
  }
  const V inverse = splat(1.0f / sum);
  for_each_vector(
      count, [&](int64_t i, auto lanes) { store(x + i, load(x + i, lanes) * inverse, lanes); });
}

inline V load_half(const char* p, Whole) { return load_f16(p); }
inline V load_half(const char* p, Rest rest) { return load_f16_n(p, rest.n); }
inline V load_bfloat(const char* p, Whole) { return load_bf16(p); }
inline V load_bfloat(const char* p, Rest rest) { return load_bf16_n(p, rest.n); }
inline void store_bfloat(char* p, V v, Whole) { store_bf16(p, v, kWidth); }
inline void store_bfloat(char* p, V v, Rest rest) { store_bf16(p, v, rest.n); }

void widen_f16(const WidenArgs& a) {
  const char* x = static_cast<const char*>(a.x);
  for_each_vector(
      a.count, [&](int64_t i, auto lanes) { store(a.y + i, load_half(x + 2 * i, lanes), lanes); });
}

void widen_bf16(const WidenArgs& a) {
  const char* x = static_cast<const char*>(a.x);
  for_each_vector(a.count, [&](int64_t i, auto lanes) {
    store(a.y + i, load_bfloat(x + 2 * i, lanes), lanes);
  });
}

void narrow_bf16(const NarrowArgs& a) {
  char* y = static_cast<char*>(a.y);
  for_each_vector(a.count, [&](int64_t i, auto lanes) {
    store_bfloat(y + 2 * i, load(a.x + i, lanes), lanes);
  });
}
