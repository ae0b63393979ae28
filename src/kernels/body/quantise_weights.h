// Floats to blocks. Included inside the anonymous namespace of one instruction set's file, after
// half_to_float and float_to_half. All loops run over the 16 rows of a block innermost, so that the
// compiler makes each a vector without changing the order of any sum.

struct Lanes {
  float at[kGroupRows];
};

#define ISTHMUS_EACH_ROW for (int64_t r = 0; r < kGroupRows; ++r)

// Columns [32 s, 32 s + 32) of all rows; 0 where there is nothing, or nothing finite.
inline void load_columns(const QuantiseWeightsArgs& a, int64_t s, Lanes (&x)[kSubDepth]) {
  for (int64_t i = 0; i < kSubDepth; ++i) {
    const int64_t k = s * kSubDepth + i;
    ISTHMUS_EACH_ROW {
      const float value = r < a.rows && k < a.cols ? a.values[r * a.row_stride + k] : 0.0f;
      x[i].at[r] = value - value == 0 ? value : 0.0f;
    }
  }
}

constexpr float kLargestHalf = 65504.0f;
constexpr float kRoundToEven = 12582912.0f;  // 1.5 · 2^23

// The nearest whole number in [low, high].
inline float level(float value, float low, float high) {
  const float rounded = (value + kRoundToEven) - kRoundToEven;
  return rounded < low ? low : rounded > high ? high : rounded;
}

template <class Block>
void quantise(const QuantiseWeightsArgs& a);

template <>
void quantise<Q8Block>(const QuantiseWeightsArgs& a) {
  Q8Block& out = *static_cast<Q8Block*>(a.block);
  Lanes x[kSubDepth];
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    load_columns(a, s, x);
    Lanes largest{}, inverse;
    for (int64_t i = 0; i < kSubDepth; ++i)
      ISTHMUS_EACH_ROW {
        const float size = __builtin_fabsf(x[i].at[r]);
        largest.at[r] = size > largest.at[r] ? size : largest.at[r];
      }
    ISTHMUS_EACH_ROW {
      const float d = largest.at[r] / 127;
      out.d[s][r] = float_to_half(d < kLargestHalf ? d : kLargestHalf);
      const float held = half_to_float(out.d[s][r]);
      inverse.at[r] = held > 0 ? 1 / held : 0;
    }
    for (int64_t i = 0; i < kSubDepth; ++i)
      ISTHMUS_EACH_ROW out.q[s][i / 4][4 * r + i % 4] = static_cast<uint8_t>(
          static_cast<int>(level(x[i].at[r] * inverse.at[r], -127, 127)) + kQ8Offset);
  }
}

// x ≈ scale · q - min with scale, min ≥ 0 and q in 0 … kTop, of 32 columns.
struct Lines {
  Lanes scale, min;
};

// Guesses of the scale are tried around range / kTop; for the levels each gives, the best line by
// least squares, weighted by magnitude, is known exactly.
template <int kTop>
inline Lines best_lines(const Lanes (&x)[kSubDepth]) {
  Lanes low, high, squares{};
  ISTHMUS_EACH_ROW low.at[r] = high.at[r] = 0;  // 0 itself can always be told: min ≥ 0
  for (int64_t i = 0; i < kSubDepth; ++i)
    ISTHMUS_EACH_ROW {
      const float value = x[i].at[r];
      low.at[r] = value < low.at[r] ? value : low.at[r];
      high.at[r] = value > high.at[r] ? value : high.at[r];
      squares.at[r] += value * value;
    }
  Lanes weight[kSubDepth], w{}, wx{}, wxx{};
  ISTHMUS_EACH_ROW squares.at[r] = __builtin_sqrtf(squares.at[r] / kSubDepth);
  for (int64_t i = 0; i < kSubDepth; ++i)
    ISTHMUS_EACH_ROW {
      const float value = x[i].at[r], wi = squares.at[r] + __builtin_fabsf(value);
      weight[i].at[r] = wi;
      w.at[r] += wi;
      wx.at[r] += wi * value;
      wxx.at[r] += wi * value * value;
    }
  Lines best;
  Lanes least;
  ISTHMUS_EACH_ROW {
    best.scale.at[r] = (high.at[r] - low.at[r]) / kTop;
    best.min.at[r] = -low.at[r];
    least.at[r] = __builtin_inff();
  }
  for (int step = -8; step <= 8; ++step) {
    Lanes inverse, wq{}, wqq{}, wqx{};
    ISTHMUS_EACH_ROW {
      const float range = high.at[r] - low.at[r];
      inverse.at[r] = range > 0 ? (kTop + 0.125f * static_cast<float>(step)) / range : 0;
    }
    for (int64_t i = 0; i < kSubDepth; ++i)
      ISTHMUS_EACH_ROW {
        const float value = x[i].at[r], wi = weight[i].at[r];
        const float q = level((value - low.at[r]) * inverse.at[r], 0, kTop);
        wq.at[r] += wi * q;
        wqq.at[r] += wi * q * q;
        wqx.at[r] += wi * q * value;
      }
    ISTHMUS_EACH_ROW {
      const float determinant = w.at[r] * wqq.at[r] - wq.at[r] * wq.at[r];
      float scale = (w.at[r] * wqx.at[r] - wq.at[r] * wx.at[r]) / determinant;
      float min = (wq.at[r] * wqx.at[r] - wqq.at[r] * wx.at[r]) / determinant;
      scale = min < 0 ? wqx.at[r] / wqq.at[r] : scale;
      min = min < 0 ? 0 : min;
      // Σ w (x - scale q + min)²
      const float error = wxx.at[r] + scale * (scale * wqq.at[r] - 2 * wqx.at[r]) +
                          min * (min * w.at[r] + 2 * wx.at[r] - 2 * scale * wq.at[r]);
      const bool better = scale > 0 && error < least.at[r];  // false for NaN
      least.at[r] = better ? error : least.at[r];
      best.scale.at[r] = better ? scale : best.scale.at[r];
      best.min.at[r] = better ? min : best.min.at[r];
    }
  }
  return best;
}

using Levels = uint8_t[kSubBlocks][kSubDepth][kGroupRows];

// The low four bits, which all kinds but Q8 hold alike.
template <class Block>
inline void pack_low_halves(const Levels& q, Block& out) {
  for (int64_t s = 0; s < kSubBlocks; s += 2)
    for (int64_t i = 0; i < kSubDepth; ++i)
      ISTHMUS_EACH_ROW out.q[s / 2][i / 4][4 * r + i % 4] =
          static_cast<uint8_t>((q[s][i][r] & 15) | q[s + 1][i][r] << 4);
}

inline void pack(const Levels& q, Q4Block& out) { pack_low_halves(q, out); }
inline void pack(const Levels& q, Q5Block& out) {
  pack_low_halves(q, out);
  for (int64_t i = 0; i < kSubDepth; ++i)
    ISTHMUS_EACH_ROW {
      int fifth = 0;
      for (int64_t s = 0; s < kSubBlocks; ++s) fifth |= q[s][i][r] >> 4 << s;
      out.fifth[i / 4][4 * r + i % 4] = static_cast<uint8_t>(fifth);
    }
}
inline void pack(const Levels& q, Q6Block& out) {
  pack_low_halves(q, out);
  for (int64_t s = 0; s < kSubBlocks; s += 4)
    for (int64_t i = 0; i < kSubDepth; ++i)
      ISTHMUS_EACH_ROW {
        int upper = 0;
        for (int64_t j = 0; j < 4; ++j) upper |= q[s + j][i][r] >> 4 << 2 * j;
        out.upper[s / 4][i / 4][4 * r + i % 4] = static_cast<uint8_t>(upper);
      }
}

template <class Block, int kTop>
void quantise_lines(const QuantiseWeightsArgs& a) {
  Block& out = *static_cast<Block*>(a.block);
  Lanes x[kSubBlocks][kSubDepth];
  Lines lines[kSubBlocks];
  Lanes largest_scale{}, largest_min{};
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    load_columns(a, s, x[s]);
    lines[s] = best_lines<kTop>(x[s]);
    ISTHMUS_EACH_ROW {
      const float scale = lines[s].scale.at[r], min = lines[s].min.at[r];
      largest_scale.at[r] = scale > largest_scale.at[r] ? scale : largest_scale.at[r];
      largest_min.at[r] = min > largest_min.at[r] ? min : largest_min.at[r];
    }
  }
  Lanes d, dmin;
  constexpr float kSteps = 63;
  ISTHMUS_EACH_ROW {
    const float scale = largest_scale.at[r] / kSteps, min = largest_min.at[r] / kSteps;
    out.d[r] = float_to_half(scale < kLargestHalf ? scale : kLargestHalf);
    out.dmin[r] = float_to_half(min < kLargestHalf ? min : kLargestHalf);
    d.at[r] = half_to_float(out.d[r]);
    dmin.at[r] = half_to_float(out.dmin[r]);
  }
  Levels q;
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    Lanes inverse, min;
    ISTHMUS_EACH_ROW {
      const float scale_steps = d.at[r] > 0 ? lines[s].scale.at[r] / d.at[r] : 0;
      const float min_steps = dmin.at[r] > 0 ? lines[s].min.at[r] / dmin.at[r] : 0;
      out.scale[s][r] = static_cast<uint8_t>(level(scale_steps, 0, kSteps));
      out.min[s][r] = static_cast<uint8_t>(level(min_steps, 0, kSteps));
      const float scale = d.at[r] * static_cast<float>(out.scale[s][r]);
      inverse.at[r] = scale > 0 ? 1 / scale : 0;
      min.at[r] = dmin.at[r] * static_cast<float>(out.min[s][r]);
    }
    for (int64_t i = 0; i < kSubDepth; ++i)
      ISTHMUS_EACH_ROW q[s][i][r] =
          static_cast<uint8_t>(level((x[s][i].at[r] + min.at[r]) * inverse.at[r], 0, kTop));
  }
  pack(q, out);
}

template <>
void quantise<Q4Block>(const QuantiseWeightsArgs& a) {
  quantise_lines<Q4Block, 15>(a);
}
template <>
void quantise<Q5Block>(const QuantiseWeightsArgs& a) {
  quantise_lines<Q5Block, 31>(a);
}

constexpr float kLowest6 = -32, kHighest6 = 31;  // q - kQ6Offset
constexpr int64_t kHalfDepth = kSubDepth / 2;

// x ≈ scale · q of 16 columns from x[0] on, scale of either sign. The value furthest from 0 is near
// the lowest level, of which there is one more; for the levels of each guess the best scale by
// least squares, weighted by x², is known exactly.
inline Lanes best_scales(const Lanes* x) {
  Lanes furthest{}, best{}, gain{};
  for (int64_t i = 0; i < kHalfDepth; ++i)
    ISTHMUS_EACH_ROW {
      const float value = x[i].at[r], before = furthest.at[r];
      furthest.at[r] = __builtin_fabsf(value) > __builtin_fabsf(before) ? value : before;
    }
  for (int step = -9; step <= 9; ++step) {
    Lanes inverse, wqq{}, wqx{};
    ISTHMUS_EACH_ROW inverse.at[r] =
        furthest.at[r] != 0 ? (kLowest6 + 0.1f * static_cast<float>(step)) / furthest.at[r] : 0;
    for (int64_t i = 0; i < kHalfDepth; ++i)
      ISTHMUS_EACH_ROW {
        const float value = x[i].at[r], wi = value * value;
        const float q = level(value * inverse.at[r], kLowest6, kHighest6);
        wqq.at[r] += wi * q * q;
        wqx.at[r] += wi * q * value;
      }
    ISTHMUS_EACH_ROW {
      const float scale = wqx.at[r] / wqq.at[r];
      const bool better = scale * wqx.at[r] > gain.at[r];  // false for NaN
      gain.at[r] = better ? scale * wqx.at[r] : gain.at[r];
      best.at[r] = better ? scale : best.at[r];
    }
  }
  return best;
}

template <>
void quantise<Q6Block>(const QuantiseWeightsArgs& a) {
  Q6Block& out = *static_cast<Q6Block*>(a.block);
  Lanes x[kSubBlocks][kSubDepth], scales[2 * kSubBlocks], furthest{}, d;
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    load_columns(a, s, x[s]);
    for (int64_t half = 0; half < 2; ++half) {
      scales[2 * s + half] = best_scales(x[s] + half * kHalfDepth);
      ISTHMUS_EACH_ROW {
        const float scale = scales[2 * s + half].at[r], before = furthest.at[r];
        furthest.at[r] = __builtin_fabsf(scale) > __builtin_fabsf(before) ? scale : before;
      }
    }
  }
  // The largest scale becomes -128, of which there is one more than of 127.
  ISTHMUS_EACH_ROW {
    const float step = furthest.at[r] / -128;
    const float below = step < kLargestHalf ? step : kLargestHalf;
    out.d[r] = float_to_half(below > -kLargestHalf ? below : -kLargestHalf);
    out.unused[r] = 0;
    d.at[r] = half_to_float(out.d[r]);
  }
  Levels q;
  for (int64_t s = 0; s < 2 * kSubBlocks; ++s) {
    Lanes inverse;
    ISTHMUS_EACH_ROW {
      const float steps = d.at[r] != 0 ? scales[s].at[r] / d.at[r] : 0;
      out.scale[s][r] = static_cast<int8_t>(level(steps, -128, 127));
      const float scale = d.at[r] * static_cast<float>(out.scale[s][r]);
      inverse.at[r] = scale != 0 ? 1 / scale : 0;
    }
    for (int64_t i = s % 2 * kHalfDepth; i < (s % 2 + 1) * kHalfDepth; ++i)
      ISTHMUS_EACH_ROW {
        const float nearest = level(x[s / 2][i].at[r] * inverse.at[r], kLowest6, kHighest6);
        q[s / 2][i][r] = static_cast<uint8_t>(static_cast<int>(nearest) + kQ6Offset);
      }
  }
  pack(q, out);
}

#undef ISTHMUS_EACH_ROW
