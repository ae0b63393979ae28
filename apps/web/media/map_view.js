// Depth and normal maps as the pictures that a model makes of them, beside the picture of the scene.

import { h } from "../dom.js";
import { imageCanvas, quantiles } from "./canvas.js";
import { imageView } from "./image_view.js";
import { extensionOf } from "./kinds.js";
import { readNpy } from "./npy.js";

export async function mapView(medium, options) {
  const { kind, blob, name, picture } = medium;
  const image = kind === "depth" ? await depthOf(blob, name) : await normalsOf(blob, name);
  const map = imageCanvas(image, options.height, options.label);
  const note = `${image.width} × ${image.height}` + (picture ? `, beside ${picture.name}` : ", the picture of the scene is missing");
  if (!options.full || !picture) return { element: map, note };
  const beside = await imageView(picture.blob, { ...options, label: picture.name });
  return { element: h("div", { class: "pair" }, map, beside.element), note };
}

// Linearly over grey from what 1 % is nearer than to what 99 % is; without a depth: as the nearest.
async function depthOf(blob, name) {
  const map = await readMap(blob, name);
  if (map.pixels) return map.pixels;
  const { width, height, values } = map;
  const holes = values.map((value) => (value > 0 && Number.isFinite(value) ? value : NaN));
  const [near, far] = quantiles(holes, [0.01, 0.99]);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    const grey = Number.isNaN(holes[i]) ? 0 : 255 * (holes[i] - near) / (far - near || 1);
    image.data.set([grey, grey, grey, 255], 4 * i);
  }
  return image;
}

async function normalsOf(blob, name) {
  const map = await readMap(blob, name);
  if (map.pixels) return map.pixels;
  const { width, height, values } = map;
  const signed = values.some((value) => value < 0);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = 255 * (signed ? values[3 * i + c] / 2 + 0.5 : values[3 * i + c]);
    image.data[4 * i + 3] = 255;
  }
  return image;
}

// {pixels} of a picture, or {width, height, values} of measurements. The browser cuts 16-bit depth
// to 8 bits, which a picture of this size does not show.
async function readMap(blob, name) {
  const extension = extensionOf(name);
  if (extension === "exr") throw new Error("EXR files are read by the server; there is no preview of them here");
  if (extension !== "npy") {
    const picture = await createImageBitmap(blob, { imageOrientation: "none", colorSpaceConversion: "none" });
    const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, picture.width, picture.height);
    if (!(await isDeep(blob))) return { pixels };
    return { width: picture.width, height: picture.height,
             values: Float64Array.from({ length: picture.width * picture.height }, (_, i) => pixels.data[4 * i]) };
  }
  const { shape, values } = readNpy(await blob.arrayBuffer());
  const planes = shape.length === 3 && shape[0] === 3 && shape[2] !== 3;
  const [height, width] = shape.length === 3 && (planes || shape[0] === 1) ? shape.slice(1) : shape;
  if (!width) throw new Error(`an array of ${shape.join(" × ")}; expected height × width`);
  if (!planes) return { width, height, values };
  const area = width * height;
  return { width, height, values: values.map((_, i) => values[(i % 3) * area + Math.floor(i / 3)]) };
}

// A PNG of 16 bits a sample: measured depth, not a picture of it.
async function isDeep(blob) {
  const head = new Uint8Array(await blob.slice(0, 26).arrayBuffer());
  return head[1] === 0x50 && head[2] === 0x4e && head[24] === 16;
}
