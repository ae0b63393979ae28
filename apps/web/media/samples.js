// Media for those who have none at hand: solids on a table, drawn here, seen as picture, depth,
// normals and points; a few tones; a walk; some brain activity.

import { isDemo } from "../suggestions.js";
import { writeNpy } from "./npy.js";
import { kSampleRate } from "./mel.js";
import { writeWav } from "./wav.js";

// [x, y, radius, colour]: spheres that stand on the table; y away from the viewer.
const kSpheres = [[-0.85, -0.3, 0.62, [0.86, 0.16, 0.14]], [0.9, 0.7, 0.62, [0.16, 0.32, 0.88]], [0.55, -0.95, 0.38, [0.95, 0.83, 0.16]]];
const kEye = [0, -6, 3.3], kForward = unit([0, 5.9, -3]), kRight = [1, 0, 0], kUp = cross(kRight, kForward);
const kLight = unit([-0.45, -0.62, 0.85]), kTangent = Math.tan(Math.PI / 9);

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const along = (origin, direction, t) => origin.map((value, i) => value + t * direction[i]);
function unit(v) { const length = Math.hypot(...v); return v.map((value) => value / length); }
function cross(a, b) { return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]; }

export async function sampleOf(kind, model) {
  const makers = { image: samplePicture, points: samplePoints, depth: sampleDepth, normal: sampleNormals,
                   audio: sampleSound, imu: sampleMotion, fmri: sampleActivity };
  return makers[kind](model);
}

export const kSampled = ["image", "audio", "points", "depth", "normal", "imu", "fmri"];

// The nearest of spheres, table and wall along a ray: {t, normal, colour}.
function hit(origin, direction, withWall = true) {
  let best = { t: Infinity, normal: [0, 0, 1], colour: [0.8, 0.85, 0.9] };
  const consider = (t, normal, colour) => { if (t > 1e-3 && t < best.t) best = { t, normal, colour }; };
  for (const [x, y, radius, colour] of kSpheres) {
    const offset = [origin[0] - x, origin[1] - y, origin[2] - radius];
    const b = dot(offset, direction), inside = b * b - dot(offset, offset) + radius * radius;
    if (inside < 0) continue;
    const t = -b - Math.sqrt(inside);
    consider(t, along(offset, direction, t).map((value) => value / radius), colour);
  }
  if (direction[2] < 0) {
    const t = -origin[2] / direction[2];
    const across = origin[0] + t * direction[0], seam = Math.abs(across / 0.9 - Math.round(across / 0.9)) > 0.485 ? 0.9 : 1;
    consider(t, [0, 0, 1], [0.8, 0.69, 0.54].map((value) => value * seam));
  }
  if (withWall && direction[1] > 0) consider((4 - origin[1]) / direction[1], [0, -1, 0], [0.74, 0.79, 0.85]);
  return best;
}

function ray(i, j, size) {
  const x = (2 * i / size - 1) * kTangent, y = (1 - 2 * j / size) * kTangent;
  return unit(kForward.map((value, axis) => value + x * kRight[axis] + y * kUp[axis]));
}

function colourAt(direction) {
  const { t, normal, colour } = hit(kEye, direction);
  const point = along(along(kEye, direction, t), normal, 0.002);
  const lit = normal[1] === -1 || hit(point, kLight, false).t === Infinity ? Math.max(0, dot(normal, kLight)) : 0;
  const half = unit(along(kLight, direction, -1));
  const shine = normal[2] === 1 || normal[1] === -1 ? 0 : 0.35 * Math.max(0, dot(normal, half)) ** 40;
  return colour.map((value) => Math.min(1, value * (0.42 + 0.66 * lit) + shine));
}

async function picture(size, pixel) {
  const image = new ImageData(size, size);
  for (let j = 0; j < size; j += 1)
    for (let i = 0; i < size; i += 1) image.data.set([...pixel(i, j), 255], 4 * (j * size + i));
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

async function samplePicture() {
  const kSize = 256, kOffsets = [0.25, 0.75];
  const blob = await picture(kSize, (i, j) => {
    const sum = [0, 0, 0];
    for (const a of kOffsets) for (const b of kOffsets)
      colourAt(ray(i + a, j + b, kSize)).forEach((value, c) => { sum[c] += value * 255 / 4; });
    return sum;
  });
  return { blob, name: "table.png", companions: [] };
}

async function sampleDepth() {
  const kSize = 192;
  const depth = Float32Array.from({ length: kSize * kSize }, (_, at) => {
    const direction = ray(at % kSize + 0.5, Math.floor(at / kSize) + 0.5, kSize);
    return hit(kEye, direction).t * dot(direction, kForward);
  });
  return { blob: new Blob([writeNpy([kSize, kSize], depth)]), name: "table_depth.npy", companions: [await samplePicture()] };
}

async function sampleNormals() {
  const kSize = 192;
  const blob = await picture(kSize, (i, j) => {
    const { normal } = hit(kEye, ray(i + 0.5, j + 0.5, kSize));
    return [dot(normal, kRight), dot(normal, kUp), -dot(normal, kForward)].map((value) => 255 * (0.5 + value / 2));
  });
  return { blob, name: "table_normal.png", companions: [await samplePicture()] };
}

async function samplePoints() {
  const kSize = 112, rows = [];
  for (let j = 0; j < kSize; j += 1) {
    for (let i = 0; i < kSize; i += 1) {
      const direction = ray(i + 0.5, j + 0.5, kSize), point = along(kEye, direction, hit(kEye, direction).t);
      if (point[1] < 2.6 && Math.abs(point[0]) < 2.2) rows.push(...point, ...colourAt(direction));
    }
  }
  return { blob: new Blob([writeNpy([rows.length / 6, 6], rows)]), name: "table_points.npy", companions: [] };
}

// Three short high tones, each fading.
async function sampleSound() {
  const samples = new Float32Array(2.4 * kSampleRate);
  for (const start of [0.2, 0.9, 1.6])
    for (let i = 0; i < 0.45 * kSampleRate; i += 1) {
      const time = i / kSampleRate;
      samples[Math.round(start * kSampleRate) + i] = Math.exp(-6 * time) * Math.min(1, time * 200) *
        (0.4 * Math.sin(2 * Math.PI * 1320 * time) + 0.15 * Math.sin(2 * Math.PI * 2640 * time));
    }
  return { blob: new Blob([writeWav(samples, kSampleRate)], { type: "audio/wav" }), name: "beeps.wav", companions: [] };
}

async function sampleMotion() {
  const rows = ["timestamp_ms,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"];
  for (let i = 0; i < 600; i += 1) {
    const time = i / 200, step = 2 * Math.PI * 1.9 * time;
    const values = [0.8 * Math.sin(step / 2), 1.3 * Math.cos(step), 9.8 + 2.6 * Math.abs(Math.sin(step / 2)) ** 3,
                    0.5 * Math.sin(step + 0.4), 0.3 * Math.cos(step / 2), 0.2 * Math.sin(step / 2)];
    rows.push([5 * i, ...values.map((value) => value.toFixed(4))].join(","));
  }
  return { blob: new Blob([rows.join("\n")], { type: "text/csv" }), name: "walk_imu.csv", companions: [] };
}

async function sampleActivity(model) {
  // Of the scans that the published models were trained on, and of those of the demo's world.
  const kVoxels = isDemo(model) ? 512 : 15724;
  let seed = 7;
  const noise = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648 - 0.5;
  const values = Float32Array.from({ length: kVoxels }, (_, i) =>
    (noise() + noise()) * (0.35 + 0.65 * Math.exp(-(((i % 3931) / 3931 - 0.5) ** 2) * 30)) + 0.12 * Math.sin(i / 700));
  return { blob: new Blob([writeNpy([kVoxels], values)]), name: "brain_fmri.npy", companions: [] };
}
