// Numbers over time or place: motion as lines, brain activity as a strip.

import { h } from "../dom.js";
import { kHues, makeCanvas, quantiles } from "./canvas.js";
import { extensionOf } from "./kinds.js";
import { readMotion } from "./motion.js";
import { readNpy } from "./npy.js";

const kWindow = 2;  // seconds of motion that a model sees

export async function motionView(blob, { name, height, label, start, end, rate, full }) {
  const { channels, seconds } = await readMotion(blob, name, rate);
  const width = Math.round(height * (full ? 2.3 : 1.7)), count = channels[0].length;
  const length = seconds ? seconds.at(-1) : count - 1;
  const { canvas, context } = makeCanvas(width, height, label);
  if (seconds) {
    const from = start ?? 0, to = end ?? Math.min(length, from + kWindow);
    context.fillStyle = "rgb(127 140 140 / 18%)";
    context.fillRect(width * from / length, 0, width * (to - from) / length, height);
  }
  const half = height / 2;
  [channels.slice(0, 3), channels.slice(3)].forEach((group, i) => {
    const [low, high] = quantiles(group.flatMap((channel) => [...channel]), [0, 1]);
    group.forEach((channel, c) => {
      context.strokeStyle = kHues[c];
      context.lineWidth = full ? 1.4 : 1;
      context.beginPath();
      channel.forEach((value, at) => {
        const x = width * (seconds ? seconds[at] : at) / (length || 1);
        const y = i * half + 4 + (half - 8) * (1 - (value - low) / (high - low || 1));
        if (at === 0) context.moveTo(x, y);
        else context.lineTo(x, y);
      });
      context.stroke();
    });
  });
  context.fillStyle = "rgb(127 140 140 / 40%)";
  context.fillRect(0, half - 0.5, width, 1);
  const note = seconds ? `${count} samples, ${length.toFixed(1)} s` : `${count} samples`;
  const legend = h("p", { class: "legend" }, "above acceleration, below rotation: ",
                   ["x", "y", "z"].map((axis, i) => h("span", { class: "hue" + i }, axis)));
  return { element: full ? h("div", {}, canvas, legend) : canvas, note };
}

// The mean over trials, as bars from the middle: as many voxels to a bar as its pixel must hold.
export async function activityView(blob, { name, height, label, full }) {
  if (extensionOf(name) !== "npy") throw new Error("NIfTI files are read by the server; there is no preview of them here");
  const { shape, values } = readNpy(await blob.arrayBuffer());
  const voxels = shape.at(-1), trials = Math.max(1, values.length / voxels);
  const mean = new Float64Array(voxels);
  values.forEach((value, i) => { mean[i % voxels] += value / trials; });
  const width = Math.round(height * (full ? 2.6 : 1.7));
  const { canvas, context } = makeCanvas(width, height, label);
  const limit = Math.max(...quantiles(mean.map(Math.abs), [0.995]), 1e-12);
  for (let x = 0; x < width; x += 1) {
    const first = Math.floor(x * voxels / width), last = Math.max(first + 1, Math.floor((x + 1) * voxels / width));
    const group = mean.subarray(first, last);
    const [low, high] = [Math.min(0, ...group), Math.max(0, ...group)].map((value) => Math.max(-1, Math.min(1, value / limit)));
    const middle = height / 2;
    context.fillStyle = kHues[0];
    context.fillRect(x, middle - high * middle, 1, high * middle);
    context.fillStyle = kHues[1];
    context.fillRect(x, middle, 1, -low * middle);
  }
  return { element: canvas, note: `${voxels.toLocaleString("en")} voxels` + (trials > 1 ? `, mean of ${trials} trials` : "") };
}
