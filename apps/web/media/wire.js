// A medium's file as a server can read it. A server is sent bytes without a name: formats that are
// known by their name alone, or need a second file, become ones that stand for themselves. Pure.

import { extensionOf } from "./kinds.js";
import { hasNoTimes, readMotion } from "./motion.js";
import { writeNpy } from "./npy.js";
import { readPoints } from "./point_files.js";

export async function fileToSend(medium) {
  if (hasNoTimes(medium)) return motionTable(medium);
  if (medium.kind === "points" && ["bin", "csv", "txt"].includes(extensionOf(medium.name))) return pointArray(medium);
  return medium.blob;
}

async function motionTable({ blob, name, rate }) {
  const { channels, seconds } = await readMotion(blob, name, rate);
  const rows = ["timestamp_ms,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"];
  seconds.forEach((second, i) => rows.push([second * 1000, ...channels.map((channel) => channel[i])].join(",")));
  return new Blob([rows.join("\n")], { type: "text/csv" });
}

async function pointArray({ blob, name }) {
  const { positions, colours } = readPoints(await blob.arrayBuffer(), name);
  const count = positions.length / 3, width = colours ? 6 : 3, values = new Float32Array(count * width);
  for (let i = 0; i < count; i += 1) {
    values.set(positions.subarray(3 * i, 3 * i + 3), i * width);
    if (colours) values.set(colours.subarray(3 * i, 3 * i + 3), i * width + 3);
  }
  return new Blob([writeNpy([count, width], values)]);
}
