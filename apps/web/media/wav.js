// A sound of one channel as a WAV file of 16 bits. Pure.

export function writeWav(samples, rate) {
  const bytes = new ArrayBuffer(44 + 2 * samples.length), view = new DataView(bytes);
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);         // PCM
  view.setUint16(22, 1, true);         // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);  // bytes a second
  view.setUint16(32, 2, true);         // bytes of a sample
  view.setUint16(34, 16, true);        // bits of a sample
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) =>
    view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true));
  return new Uint8Array(bytes);
}
