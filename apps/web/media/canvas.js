// Canvases that are sharp on every screen, and the colours that numbers become.

import { h } from "../dom.js";

// Draws in CSS pixels; `label` is what it says to those who do not see it.
export function makeCanvas(width, height, label) {
  const canvas = h("canvas", { role: "img", "aria-label": label });
  const scale = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return { canvas, context, scale };
}

// Pixels of their own size, enlarged without being smoothed.
export function imageCanvas(image, height, label) {
  const canvas = h("canvas", { role: "img", "aria-label": label });
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.style.height = height + "px";
  canvas.style.aspectRatio = `${image.width} / ${image.height}`;
  return canvas;
}

// From quiet to loud, from low to high: legible on light and on dark ground.
const kStops = [[14, 27, 38], [20, 67, 92], [24, 124, 124], [112, 186, 132], [240, 222, 150]];

export function shade(value, out, at) {
  const place = Math.max(0, Math.min(1, value)) * (kStops.length - 1);
  const low = Math.min(kStops.length - 2, Math.floor(place)), weight = place - low;
  for (let c = 0; c < 3; c += 1) out[at + c] = kStops[low][c] * (1 - weight) + kStops[low + 1][c] * weight;
  out[at + 3] = 255;
}

// Six hues that stand apart, also to most who see few colours.
export const kHues = ["#d2603a", "#2f8f83", "#4a73c9", "#b0872a", "#a3559b", "#5f8a3c"];

// The value that this share of the finite numbers is below.
export function quantiles(values, shares) {
  const finite = Float64Array.from(values).filter(Number.isFinite).sort();
  return shares.map((share) => finite[Math.min(finite.length - 1, Math.floor(share * finite.length))]);
}
