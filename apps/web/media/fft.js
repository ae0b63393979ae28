// The discrete Fourier transform of real numbers, a power of two of them. Pure.

export class Fft {
  constructor(size) {
    if (size < 2 || (size & (size - 1)) !== 0) throw new Error(`${size} is no power of two`);
    this.size = size;
    this.cosines = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos(2 * Math.PI * k / size));
    this.sines = Float64Array.from({ length: size / 2 }, (_, k) => -Math.sin(2 * Math.PI * k / size));
    this.reversed = new Uint32Array(size);
    for (let i = 1; i < size; i += 1) this.reversed[i] = this.reversed[i >> 1] >> 1 | (i & 1 ? size >> 1 : 0);
    this.real = new Float64Array(size);
    this.imaginary = new Float64Array(size);
  }

  // |X[k]|² for k <= size / 2. `values` may be shorter than the transform: zeros follow.
  power(values, out = new Float64Array(this.size / 2 + 1)) {
    const { size, real, imaginary, reversed, cosines, sines } = this;
    for (let i = 0; i < size; i += 1) real[reversed[i]] = values[i] ?? 0;
    imaginary.fill(0);
    for (let half = 1; half < size; half *= 2) {
      const step = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k += 1) {
          const a = start + k, b = a + half, c = cosines[k * step], s = sines[k * step];
          const re = real[b] * c - imaginary[b] * s, im = real[b] * s + imaginary[b] * c;
          real[b] = real[a] - re;
          imaginary[b] = imaginary[a] - im;
          real[a] += re;
          imaginary[a] += im;
        }
      }
    }
    for (let k = 0; k < out.length; k += 1) out[k] = real[k] * real[k] + imaginary[k] * imaginary[k];
    return out;
  }
}
