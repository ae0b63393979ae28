// A picture, and what of it the model gets to see.

import { makeCanvas } from "./canvas.js";
import { describePreparation, layoutOf } from "./preparation.js";

const kMeanColour = "rgb(122, 116, 104)";  // of CLIP: what LLaVA pads with

export async function imageView(blob, { height, preparation, label }) {
  // As the readers of the models: a rotation that the file merely asks for is not made.
  const picture = await createImageBitmap(blob, { imageOrientation: "none" });
  const { frame, picture: place, seen, tiles } = layoutOf(preparation, picture.width, picture.height);
  const scale = height / frame[1], width = Math.max(1, Math.round(frame[0] * scale));
  const { canvas, context } = makeCanvas(width, height, label);
  context.imageSmoothingQuality = "high";
  context.fillStyle = preparation.mode === "anyres" ? "black" : kMeanColour;
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, ...place.map((value) => value * scale));
  const [x, y, w, h] = seen.map((value) => value * scale);
  if (w < width - 1 || h < height - 1) {
    context.fillStyle = "rgb(12 14 16 / 62%)";
    context.fill(outside(width, height, x, y, w, h), "evenodd");
    context.strokeStyle = "rgb(255 255 255 / 85%)";
    context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
  }
  context.strokeStyle = "rgb(255 255 255 / 60%)";
  context.setLineDash([3, 3]);
  for (let i = 1; i < tiles[0]; i += 1) line(context, x + w * i / tiles[0], y, 0, h);
  for (let i = 1; i < tiles[1]; i += 1) line(context, x, y + h * i / tiles[1], w, 0);
  const size = `${picture.width} × ${picture.height}`;
  return { element: canvas, note: `${size}, ${describePreparation(preparation, picture.width, picture.height)}` };
}

export function outside(width, height, x, y, w, h) {
  const path = new Path2D();
  path.rect(0, 0, width, height);
  path.rect(x, y, w, h);
  return path;
}

function line(context, x, y, dx, dy) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + dx, y + dy);
  context.stroke();
}
