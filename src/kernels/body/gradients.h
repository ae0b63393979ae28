// Gradients of norms, activations and softmax. Included inside the anonymous namespace of one
// instruction set's file, after rows.h. Bound by memory: two or three arrays are read, one written.

// Σ term(i, lanes) over `count` elements, kWidth partial sums. A term is zero beyond its lanes.
template <class Term>
inline float sum_over(int64_t count, const Term& term) {
  V sum{};
  for_each_vector(count, [&](int64_t i, auto lanes) { sum = sum + term(i, lanes); });
  return sum_lanes(sum);
}

// to[i] += term(i, lanes)
template <class Term>
inline void add_each(float* to, int64_t count, const Term& term) {
  for_each_vector(count, [&](int64_t i, auto lanes) {
    store(to + i, load(to + i, lanes) + term(i, lanes), lanes);
  });
}

void rms_norm_gradient(const RmsNormGradientArgs& a) {
  const auto dim = static_cast<float>(a.dim);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float *x = a.x + r * a.dim, *dy = a.dy + r * a.dim;
    float* dx = a.dx + r * a.dim;
    const float scale = 1.0f / __builtin_sqrtf(sum_of_squares(x, a.dim, V{}) / dim + a.eps);
    const float along = sum_over(a.dim, [&](int64_t i, auto lanes) {
      return load(dy + i, lanes) * load(a.weight + i, lanes) * load(x + i, lanes);
    });
    const V s = splat(scale), back = splat(scale * scale * scale * (along / dim));
    if (a.dweight != nullptr)
      add_each(a.dweight, a.dim, [&](int64_t i, auto lanes) {
        return load(dy + i, lanes) * load(x + i, lanes) * s;
      });
    for_each_vector(a.dim, [&](int64_t i, auto lanes) {
      const V g = load(dy + i, lanes) * load(a.weight + i, lanes);
      store(dx + i, fma(g, s, -(load(x + i, lanes) * back)), lanes);
    });
  }
}

void layer_norm_gradient(const LayerNormGradientArgs& a) {
  const auto dim = static_cast<float>(a.dim);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float *x = a.x + r * a.dim, *dy = a.dy + r * a.dim;
    float* dx = a.dx + r * a.dim;
    const V mean = splat(mean_of(x, a.dim));
    const V s = splat(1.0f / __builtin_sqrtf(sum_of_squares(x, a.dim, mean) / dim + a.eps));
    const auto g = [&](int64_t i, auto lanes) {
      return load(dy + i, lanes) * load(a.weight + i, lanes);
    };
    const auto normal = [&](int64_t i, auto lanes) { return (load(x + i, lanes) - mean) * s; };
    const V level = splat(sum_over(a.dim, g) / dim);
    const V along = splat(sum_over(a.dim, [&](int64_t i, auto lanes) {
                            return g(i, lanes) * normal(i, lanes);
                          }) /
                          dim);
    if (a.dweight != nullptr)
      add_each(a.dweight, a.dim, [&](int64_t i, auto lanes) {
        return load(dy + i, lanes) * normal(i, lanes);
      });
    if (a.dbias != nullptr)
      add_each(a.dbias, a.dim, [&](int64_t i, auto lanes) { return load(dy + i, lanes); });
    for_each_vector(a.dim, [&](int64_t i, auto lanes) {
      store(dx + i, s * (g(i, lanes) - level - normal(i, lanes) * along), lanes);
    });
  }
}

inline V sigmoid(V x) { return sigmoid_times(x, splat(1.0f)); }

// Φ(x) + x φ(x)
inline V gelu_slope(V x) {
  const V density = splat(0.398942280f) * exp(splat(-0.5f) * x * x);
  return fma(x, density, fma(splat(0.5f), erf(x * splat(0.707106781f)), splat(0.5f)));
}
// Of x σ(v), v = 2 √(2/π) (x + 0.044715 x³): σ (1 + x v' (1 - σ))
inline V gelu_tanh_slope(V x) {
  const V rise = splat(1.59576912f), square = x * x;
  const V s = sigmoid(rise * fma(splat(0.044715f) * x, square, x));
  const V inner = rise * fma(splat(0.134145f), square, splat(1.0f));
  return fma(x * inner * s, splat(1.0f) - s, s);
}
// Of x σ(a x): σ (1 + a x (1 - σ))
inline V quick_gelu_slope(V x) {
  const V v = splat(1.702f) * x, s = sigmoid(v);
  return fma(v * s, splat(1.0f) - s, s);
}

template <V (*Slope)(V)>
void activation_gradient(const ActivationGradientArgs& a) {
  for_each_vector(a.count, [&](int64_t i, auto lanes) {
    store(a.dx + i, load(a.dy + i, lanes) * Slope(load(a.x + i, lanes)), lanes);
  });
}

void silu_mul_gradient(const SiluMulGradientArgs& a) {
  for_each_vector(a.count, [&](int64_t i, auto lanes) {
    const V gate = load(a.gate + i, lanes), dy = load(a.dy + i, lanes);
    const V s = sigmoid(gate), silu = gate * s;
    store(a.dgate + i, dy * load(a.up + i, lanes) * fma(silu, splat(1.0f) - s, s), lanes);
    store(a.dup + i, dy * silu, lanes);
  });
}

void softmax_gradient(const SoftmaxGradientArgs& a) {
  const int64_t begin = a.begin < a.end ? a.begin : a.count,
                end = a.begin < a.end ? a.end : a.count, count = end - begin;
  const float* weights = a.weights + begin;
  float* gradient = a.gradient + begin;
  __builtin_memset(a.gradient, 0, static_cast<size_t>(begin) * sizeof(float));
  __builtin_memset(a.gradient + end, 0, static_cast<size_t>(a.count - end) * sizeof(float));
  const V mean = splat(sum_over(count, [&](int64_t i, auto lanes) {
    return load(weights + i, lanes) * load(gradient + i, lanes);
  }));
  const V scale = splat(a.scale);
  for_each_vector(count, [&](int64_t i, auto lanes) {
    store(gradient + i, scale * load(weights + i, lanes) * (load(gradient + i, lanes) - mean),
          lanes);
  });
}
