// A cloud from any of the files that points come in. Pure.

import { extensionOf } from "./kinds.js";
import { readNpy } from "./npy.js";
import { PointCollector } from "./numbers.js";
import { readPcd } from "./pcd.js";
import { readPly } from "./ply.js";
import { readTable } from "./tables.js";

// {positions: Float32Array [n * 3], colours: the same from 0 to 1, or null, total}. Throws Error.
export function readPoints(buffer, name) {
  const mark = String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(6, buffer.byteLength)));
  if (mark.startsWith("ply")) return readPly(buffer);
  if (mark === "\x93NUMPY") return fromArray(readNpy(buffer));
  const extension = extensionOf(name);
  if (extension === "bin") return fromKitti(buffer);
  const text = new TextDecoder("latin1").decode(new Uint8Array(buffer));
  if (extension === "pcd" || /^(#[^\n]*\n)?\s*VERSION/.test(text)) return readPcd(buffer);
  return fromRows(readTable(text).rows);
}

function fromArray({ shape, type, values }) {
  if (shape.length !== 2) throw new Error(`an array of ${shape.join(" × ")}; expected points × 3 or 6`);
  const turned = ![3, 6].includes(shape[1]) && [3, 6].includes(shape[0]);
  const [count, width] = turned ? [shape[1], shape[0]] : shape;
  if (width !== 3 && width !== 6) throw new Error(`points of ${width} numbers; expected 3 or 6`);
  const value = (i, c) => (turned ? values[c * count + i] : values[i * width + c]);
  const scale = type === "u1" ? 255 : type === "u2" ? 65535 : 1;
  const collector = new PointCollector(count, width === 6);
  for (let i = 0; i < count; i += 1)
    collector.add(value(i, 0), value(i, 1), value(i, 2),
                  ...(width === 6 ? [3, 4, 5].map((c) => value(i, c) / scale) : []));
  return collector.finish();
}

// x y z, or x y z r g b; colours up to 255 or up to 1, whichever they are.
function fromRows(rows) {
  const width = rows[0].length;
  if (width < 3) throw new Error(`rows of ${width} numbers; expected x y z, or x y z r g b`);
  const hasColours = width >= 6;
  const scale = hasColours && rows.some((row) => Math.max(row[3], row[4], row[5]) > 1) ? 255 : 1;
  const collector = new PointCollector(rows.length, hasColours);
  for (const row of rows)
    collector.add(row[0], row[1], row[2], row[3] / scale, row[4] / scale, row[5] / scale);
  return collector.finish();
}

// KITTI's: x y z and reflectance, which becomes grey.
function fromKitti(buffer) {
  const count = Math.floor(buffer.byteLength / 16), view = new DataView(buffer);
  const collector = new PointCollector(count, true);
  for (let i = 0; i < count; i += 1) {
    const [x, y, z, grey] = [0, 4, 8, 12].map((at) => view.getFloat32(16 * i + at, true));
    collector.add(x, y, z, grey, grey, grey);
  }
  return collector.finish();
}
