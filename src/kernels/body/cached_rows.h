// Keys and values as a cache holds them. Included inside the anonymous namespace of one instruction
// set's file, after rows.h and elements.h. Bound by memory.

constexpr float kLargestHalf = 65504.0f;
constexpr float kSmallest = 1e-30f;  // below, 127 / x may be infinite: such a row is 0

inline int64_t lanes_of(Whole) { return kWidth; }
inline int64_t lanes_of(Rest rest) { return rest.n; }

void narrow_rows_f16(const NarrowRowsArgs& a) {
  const V high = splat(kLargestHalf), low = splat(-kLargestHalf);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.row_stride;
    char* y = static_cast<char*>(a.y) + r * a.y_stride * 2;
    for_each_vector(a.dim, [&](int64_t i, auto lanes) {
      // The second operand is taken where either is NaN.
      store_f16(y + 2 * i, max(low, min(high, load(x + i, lanes))), lanes_of(lanes));
    });
  }
}

void narrow_rows_i8(const NarrowRowsArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.row_stride;
    int8_t* y = static_cast<int8_t*>(a.y) + r * a.y_stride;
    V most = V{}, finite = V{};
    for_each_vector(a.dim, [&](int64_t i, auto lanes) {
      const V v = load(x + i, lanes);
      most = max((V)((VI)v & 0x7fffffff), most);
      finite = finite + (v - v);  // NaN once anything is not finite
    });
    const float largest = max_lanes(most);
    a.scales[r] = largest / 127 + sum_lanes(finite);
    const V inverse = splat(largest > kSmallest ? 127 / largest : 0.0f);
    for_each_vector(a.dim, [&](int64_t i, auto lanes) {
      store_i8(y + i, load(x + i, lanes) * inverse, lanes_of(lanes));
    });
  }
}

void widen_rows_i8(const WidenRowsArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const char* x = static_cast<const char*>(a.x) + r * a.row_stride;
    float* y = a.y + r * a.dim;
    const V scale = splat(a.scales[r]);
    int64_t i = 0;
    for (; i + kWidth <= a.dim; i += kWidth) store(y + i, load_i8(x + i) * scale);
    if (i < a.dim) store_n(y + i, load_i8_n(x + i, a.dim - i) * scale, a.dim - i);
  }
}
