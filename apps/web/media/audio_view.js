// A sound as its spectrum: what a model of the OneLLM family hears of it.

import { h } from "../dom.js";
import { addressOf } from "./address.js";
import { imageCanvas, quantiles, shade } from "./canvas.js";
import { kBins, kMostFrames, kSampleRate, melSpectrum } from "./mel.js";

export async function audioView(blob, { height, label, start, end, full }) {
  const samples = await samplesOf(blob);
  const from = Math.round((start ?? 0) * kSampleRate);
  const piece = samples.subarray(from, end === null ? samples.length : Math.round(end * kSampleRate));
  const spectrum = melSpectrum(piece);
  if (spectrum.frames === 0) throw new Error("shorter than 25 ms");
  const element = imageCanvas(pictureOf(spectrum), height, label);
  element.classList.add("spectrum");
  element.style.aspectRatio = "";
  element.style.width = (full ? 26 : 9) + "rem";
  const seconds = samples.length / kSampleRate, heard = (kMostFrames * 160 + 240) / kSampleRate;
  const note = `${seconds.toFixed(1)} s` +
    (piece.length / kSampleRate > heard + 0.1 ? `; the first ${heard.toFixed(1)} s are heard` : "");
  if (!full) return { element, note };
  const player = h("audio", { controls: true, src: addressOf(blob), preload: "metadata" });
  return { element: h("div", { class: "sound" }, element, player), note };
}

// The first channel at the rate of the models. Throws Error.
export async function samplesOf(blob) {
  const bytes = await blob.arrayBuffer();
  try {
    const sound = await new OfflineAudioContext(1, 1, kSampleRate).decodeAudioData(bytes);
    return sound.getChannelData(0);
  } catch {
    throw new Error("the browser does not read this sound");
  }
}

function pictureOf({ frames, values }) {
  const picture = new ImageData(frames, kBins);
  const [low, high] = quantiles(values, [0.02, 0.999]);
  for (let frame = 0; frame < frames; frame += 1)
    for (let bin = 0; bin < kBins; bin += 1)
      shade((values[frame * kBins + bin] - low) / (high - low || 1), picture.data,
            4 * ((kBins - 1 - bin) * frames + frame));
  return picture;
}
