// exp, sigmoid and erf of a vector. Included inside the anonymous namespace of one instruction
// set's file.

// Relative error about 1e-7; exact zero, subnormals and infinity at the ends, NaN stays NaN.
// exp(x) = 2^n · exp(r), r = x - n ln 2, |r| ≤ ln 2 / 2; polynomial of the Cephes library.
inline V exp(V x) {
  constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer in the low mantissa bits
  x = max(splat(-104.0f), min(splat(89.0f), x));
  const V shifted = fma(x, splat(1.44269504f), splat(kRound));
  const VI n = (VI)shifted - 0x4b400000;
  const V whole = shifted - splat(kRound);
  V r = fma(whole, splat(-0.693359375f), x);
  r = fma(whole, splat(2.12194440e-4f), r);
  V p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + splat(1.0f);
  // In two factors, since n reaches -150 and 128.
  const VI half = n >> 1;
  return p * (V)((half + 127) << 23) * (V)((n - half + 127) << 23);
}

inline V sigmoid_times(V x, V by) { return by / (splat(1.0f) + exp(-x)); }

// Absolute error about 1e-7. Near zero an odd polynomial, elsewhere 1 - exp(polynomial).
inline V erf(V x) {
  const V magnitude = (V)((VI)x & 0x7fffffff);
  const V t = min(splat(4.0f), magnitude), s = x * x;  // erf(4) rounds to 1
  V far = fma(splat(-1.72853470e-5f), t, splat(3.83197126e-4f));
  const V t2 = t * t;
  far = fma(far, t2, fma(splat(-3.88396438e-3f), t, splat(2.42546219e-2f)));
  far = fma(far, t, splat(-1.06777877e-1f));
  far = fma(far, t, splat(-6.34846687e-1f));
  far = fma(far, t, splat(-1.28717512e-1f));
  far = fma(far, t, -t);
  far = splat(1.0f) - exp(far);
  far = (V)((VI)far | ((VI)x & (VI)splat(-0.0f)));
  V near = splat(-5.96761703e-4f);
  near = fma(near, s, splat(4.99119423e-3f));
  near = fma(near, s, splat(-2.67681349e-2f));
  near = fma(near, s, splat(1.12819925e-1f));
  near = fma(near, s, splat(-3.76125336e-1f));
  near = fma(near, s, splat(1.28379166e-1f));
  near = fma(near, x, x);
  return magnitude > splat(0.927734375f) ? far : near;
}
