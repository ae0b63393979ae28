// Point clouds of the Point Cloud Library: DATA ascii, binary and binary_compressed. Pure.

import { kNumbers, PointCollector } from "./numbers.js";

const kLetters = { F: "float", I: "int", U: "uint" };

// {positions, colours or null, total}. Throws Error.
export function readPcd(buffer) {
  const header = readHeader(new Uint8Array(buffer));
  const place = (name) => header.fields.findIndex((field) => field.name === name);
  const axes = ["x", "y", "z"].map(place);
  if (axes.includes(-1)) throw new Error("pcd: its points have no x, y and z");
  const packed = Math.max(place("rgb"), place("rgba"));
  const shades = ["r", "g", "b"].map(place);
  const hasColours = packed >= 0 || !shades.includes(-1);
  const rows = header.data === "ascii" ? asciiRows(buffer, header) : binaryRows(buffer, header);
  const collector = new PointCollector(header.points, hasColours);
  for (let i = 0; i < header.points; i += 1) {
    const value = (field) => rows.value(i, field);
    let colour = [];
    if (packed >= 0) colour = unpack(rows.bits(i, packed));
    else if (hasColours) colour = shades.map((f) => value(f) / (kNumbers[header.fields[f].type][2] || 1));
    collector.add(value(axes[0]), value(axes[1]), value(axes[2]), ...colour);
  }
  return collector.finish();
}

// Four bytes: blue, green, red, and transparency or nothing.
function unpack(bits) {
  return [16, 8, 0].map((at) => (bits >>> at & 255) / 255);
}

function readHeader(bytes) {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 1 << 16));
  const end = text.match(/^DATA[ \t]+(\S+)[^\n]*\n/m);
  if (!end) throw new Error("not a pcd file, or one without DATA");
  const lines = new Map();
  for (const line of text.slice(0, end.index).split(/\r?\n/)) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword && !keyword.startsWith("#")) lines.set(keyword.toUpperCase(), words);
  }
  const names = lines.get("FIELDS") ?? [], sizes = lines.get("SIZE") ?? [], types = lines.get("TYPE") ?? [];
  const counts = (lines.get("COUNT") ?? names.map(() => "1")).map(Number);
  let offset = 0;
  const fields = names.map((name, i) => {
    const type = (kLetters[types[i]] ?? "?") + 8 * Number(sizes[i]);
    if (!kNumbers[type]) throw new Error(`pcd: field ${name} has type ${types[i]}, size ${sizes[i]}`);
    const bytesOf = kNumbers[type][0] * counts[i];
    offset += bytesOf;
    return { name: name.toLowerCase(), type, count: counts[i], offset: offset - bytesOf };
  });
  const points = Number(lines.get("POINTS")?.[0] ?? Number(lines.get("WIDTH")?.[0]) * Number(lines.get("HEIGHT")?.[0]));
  if (!Number.isSafeInteger(points) || points < 0) throw new Error("pcd: neither POINTS nor WIDTH and HEIGHT");
  return { fields, record: offset, points, data: end[1].toLowerCase(), size: end.index + end[0].length };
}

function asciiRows(buffer, { fields, points, size }) {
  const words = new TextDecoder("latin1").decode(new Uint8Array(buffer, size)).split(/\s+/).filter(Boolean);
  const width = fields.reduce((sum, field) => sum + field.count, 0);
  if (words.length < points * width) throw new Error("pcd: the file is cut short");
  const starts = fields.map((_, i) => fields.slice(0, i).reduce((sum, field) => sum + field.count, 0));
  const value = (row, field) => Number(words[row * width + starts[field]]);
  const float = new DataView(new ArrayBuffer(4));
  return {
    value,
    bits(row, field) {
      if (fields[field].type !== "float32") return value(row, field) >>> 0;
      float.setFloat32(0, value(row, field));
      return float.getUint32(0);
    },
  };
}

function binaryRows(buffer, { fields, points, record, data, size }) {
  let bytes = new Uint8Array(buffer, size);
  const compressed = data === "binary_compressed";
  if (compressed) {
    if (bytes.length < 8) throw new Error("pcd: the file is cut short");
    const sizes = new DataView(buffer, size);
    bytes = decompress(bytes.subarray(8, 8 + sizes.getUint32(0, true)), sizes.getUint32(4, true));
  } else if (data !== "binary") {
    throw new Error(`pcd: DATA ${data}`);
  }
  if (bytes.length < points * record) throw new Error("pcd: the file is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Compressed files store field after field, the others point after point.
  const at = (row, { offset, type, count }) => compressed
    ? offset * points + row * kNumbers[type][0] * count : row * record + offset;
  return {
    value: (row, field) => view[kNumbers[fields[field].type][1]](at(row, fields[field]), true),
    bits: (row, field) => view.getUint32(at(row, fields[field]), true),
  };
}

// LZF: runs of literal bytes, and copies of what stands further back.
function decompress(input, size) {
  if (size > input.length * 300) throw new Error("pcd: its compressed block is broken");
  const out = new Uint8Array(size);
  let from = 0, to = 0;
  while (from < input.length) {
    const control = input[from++];
    if (control < 32) {
      if (from + control + 1 > input.length || to + control + 1 > size) throw new Error("pcd: its compressed block is broken");
      out.set(input.subarray(from, from + control + 1), to);
      from += control + 1;
      to += control + 1;
    } else {
      const length = (control >> 5) === 7 ? 9 + input[from++] : (control >> 5) + 2;
      const back = ((control & 31) << 8) + input[from++] + 1;
      if (!(back <= to) || to + length > size) throw new Error("pcd: its compressed block is broken");
      for (let i = 0; i < length; i += 1, to += 1) out[to] = out[to - back];
    }
  }
  if (to !== size) throw new Error("pcd: its compressed block is broken");
  return out;
}
