// Motion recordings from .csv and .npy. Pure.

import { extensionOf } from "./kinds.js";
import { readNpy } from "./npy.js";
import { motionOf, readTable } from "./tables.js";

export const kUsualRate = 200;  // samples per second of the recordings that models learn from

export const hasNoTimes = (medium) => medium.kind === "imu" && extensionOf(medium.name) === "npy";

// {channels: [Float64Array × 6], seconds or null}. `rate`: samples per second of a file that tells no
// times. Throws Error.
export async function readMotion(blob, name, rate) {
  if (extensionOf(name) !== "npy") return motionOf(readTable(await blob.text()));
  const { shape, values } = readNpy(await blob.arrayBuffer());
  const turned = shape[0] !== 6 && shape[1] === 6;
  if (shape.length !== 2 || (shape[0] !== 6 && !turned))
    throw new Error(`an array of ${shape.join(" × ")}; expected 6 × samples`);
  const count = turned ? shape[0] : shape[1];
  const channels = [0, 1, 2, 3, 4, 5].map((c) =>
    Float64Array.from({ length: count }, (_, i) => (turned ? values[6 * i + c] : values[c * count + i])));
  return { channels, seconds: Float64Array.from({ length: count }, (_, i) => i / (rate ?? kUsualRate)) };
}
