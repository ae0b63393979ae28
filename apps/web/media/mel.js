// Sound as a model of the OneLLM family hears it: log energies of 128 mel bands over 25 ms, every
// 10 ms, of the first 10.24 s (the settings of src/modalities/filter_bank.h). Pure.

import { Fft } from "./fft.js";

export const kSampleRate = 16000, kBins = 128, kMostFrames = 1024;
const kWindow = 400, kShift = 160, kLowest = 20, kPreemphasis = 0.97, kFloor = 2 ** -23;

const melOf = (frequency) => 1127 * Math.log(1 + frequency / 700);

// {frames, values: Float32Array [frames * kBins]}; `samples` at kSampleRate.
export function melSpectrum(samples) {
  const frames = samples.length < kWindow ? 0
    : Math.min(kMostFrames, 1 + Math.floor((samples.length - kWindow) / kShift));
  const fft = new Fft(512), bands = bandsOf(fft.size);
  const hann = Float64Array.from({ length: kWindow }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / (kWindow - 1)));
  const windowed = new Float64Array(kWindow), power = new Float64Array(fft.size / 2 + 1);
  const values = new Float32Array(frames * kBins);
  for (let frame = 0; frame < frames; frame += 1) {
    const piece = samples.subarray(frame * kShift, frame * kShift + kWindow);
    const mean = piece.reduce((sum, sample) => sum + sample, 0) / kWindow;
    let previous = piece[0] - mean;
    for (let i = 0; i < kWindow; i += 1) {
      const sample = piece[i] - mean;
      windowed[i] = (sample - kPreemphasis * previous) * hann[i];
      previous = sample;
    }
    fft.power(windowed, power);
    bands.forEach(({ first, weights }, bin) => {
      let energy = 0;
      for (let k = 0; k < weights.length; k += 1) energy += weights[k] * power[first + k];
      values[frame * kBins + bin] = Math.log(Math.max(kFloor, energy));
    });
  }
  return { frames, values };
}

// Triangles over the mel scale.
function bandsOf(size) {
  const low = melOf(kLowest), step = (melOf(kSampleRate / 2) - low) / (kBins + 1);
  return Array.from({ length: kBins }, (_, bin) => {
    const band = { first: 0, weights: [] };
    for (let k = 0; k < size / 2; k += 1) {
      const mel = melOf(kSampleRate / size * k), left = low + bin * step;
      const weight = Math.min((mel - left) / step, (left + 2 * step - mel) / step);
      if (weight <= 0) continue;
      if (band.weights.length === 0) band.first = k;
      band.weights.push(weight);
    }
    return band;
  });
}
