// Polygon files: the vertices of ascii, binary_little_endian and binary_big_endian ones. Pure.

import { kNumbers, PointCollector } from "./numbers.js";

const kAliases = { char: "int8", uchar: "uint8", short: "int16", ushort: "uint16", int: "int32",
                   uint: "uint32", float: "float32", double: "float64" };

// {positions, colours or null, total}. Throws Error.
export function readPly(buffer) {
  const bytes = new Uint8Array(buffer);
  const header = readHeader(bytes);
  const vertices = header.elements.find((element) => element.name === "vertex");
  if (!vertices) throw new Error("ply: there are no vertices");
  const place = (names) => vertices.properties.findIndex((p) => !p.list && names.includes(p.name));
  const axes = ["x", "y", "z"].map((name) => place([name]));
  if (axes.includes(-1)) throw new Error("ply: its vertices have no x, y and z");
  const shades = ["red", "green", "blue"].map((name) => place([name, name[0], "diffuse_" + name]));
  const hasColours = !shades.includes(-1);
  const scales = hasColours ? shades.map((i) => kNumbers[vertices.properties[i].type][2] || 1) : [];
  const values = header.format === "ascii"
    ? asciiValues(bytes.subarray(header.size)) : binaryValues(buffer, header);
  // Elements in front of the vertices are read past.
  for (const element of header.elements) {
    if (element === vertices) break;
    for (let i = 0; i < element.count; i += 1) readRow(element, values);
  }
  const collector = new PointCollector(vertices.count, hasColours);
  for (let i = 0; i < vertices.count; i += 1) {
    const row = readRow(vertices, values);
    const [x, y, z] = axes.map((column) => row[column]);
    const [r, g, b] = hasColours ? shades.map((column, c) => row[column] / scales[c]) : [];
    collector.add(x, y, z, r, g, b);
  }
  return collector.finish();
}

function readRow(element, values) {
  return element.properties.map((property) => {
    if (!property.list) return values.next(property.type);
    const length = values.next(property.list);
    for (let i = 0; i < length; i += 1) values.next(property.type);
    return length;
  });
}

function readHeader(bytes) {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 1 << 16));
  const end = text.match(/^end_header[ \t]*\r?\n/m);
  if (!text.startsWith("ply") || !end) throw new Error("not a ply file, or one without end_header");
  const header = { format: "", elements: [], size: end.index + end[0].length };
  const typeOf = (name) => {
    const type = kAliases[name] ?? name;
    if (!kNumbers[type]) throw new Error(`ply: unknown type "${name}"`);
    return type;
  };
  for (const line of text.slice(0, end.index).split(/\r?\n/)) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword === "format") header.format = words[0];
    else if (keyword === "element") header.elements.push({ name: words[0], count: countOf(words[1]), properties: [] });
    else if (keyword === "property") {
      const element = header.elements.at(-1);
      if (!element) throw new Error("ply: a property before the first element");
      element.properties.push(words[0] === "list"
        ? { list: typeOf(words[1]), type: typeOf(words[2]), name: words[3] }
        : { list: null, type: typeOf(words[0]), name: words[1] });
    }
  }
  if (!["ascii", "binary_little_endian", "binary_big_endian"].includes(header.format))
    throw new Error(`ply: format "${header.format}"`);
  return header;
}

function countOf(word) {
  if (!/^\d+$/.test(word ?? "")) throw new Error(`ply: "${word}" is no number of elements`);
  return Number(word);
}

function asciiValues(bytes) {
  const words = new TextDecoder("latin1").decode(bytes).split(/\s+/).filter(Boolean);
  let at = 0;
  return {
    next() {
      if (at >= words.length) throw new Error("ply: the file is cut short");
      return Number(words[at++]);
    },
  };
}

function binaryValues(buffer, { format, size }) {
  const view = new DataView(buffer, size), little = format === "binary_little_endian";
  let at = 0;
  return {
    next(type) {
      const [bytes, getter] = kNumbers[type];
      if (at + bytes > view.byteLength) throw new Error("ply: the file is cut short");
      at += bytes;
      return view[getter](at - bytes, little);
    },
  };
}
