// NumPy's array files, versions 1 to 3. Pure.

const kTypes = {
  f2: [2, null], f4: [4, "getFloat32"], f8: [8, "getFloat64"],
  i1: [1, "getInt8"], i2: [2, "getInt16"], i4: [4, "getInt32"], i8: [8, "getBigInt64"],
  u1: [1, "getUint8"], u2: [2, "getUint16"], u4: [4, "getUint32"], u8: [8, "getBigUint64"],
  b1: [1, "getUint8"],
};

// {shape, type: "f4", values: Float64Array}, rows first whatever the file has. Throws Error.
export function readNpy(buffer) {
  const { shape, code, swapped, columnsFirst, start } = readHeader(buffer);
  const [size, getter] = kTypes[code];
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (!Number.isSafeInteger(count) || start + count * size > buffer.byteLength)
    throw new Error(`npy: ${shape.join(" × ")} numbers of ${size} bytes are announced, ` +
                    `${buffer.byteLength - start} bytes are there`);
  const view = new DataView(buffer, start);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 1)
    values[i] = getter ? Number(view[getter](i * size, !swapped)) : half(view.getUint16(i * size, !swapped));
  return { shape, type: code, values: columnsFirst ? rowsFirst(values, shape) : values };
}

// The shape alone; null for what is no such file.
export function shapeOfNpy(buffer) {
  try {
    return readHeader(buffer).shape;
  } catch {
    return null;
  }
}

function readHeader(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 6)) !== "\x93NUMPY")
    throw new Error("not a npy file");
  const view = new DataView(buffer);
  const wide = bytes[6] >= 2;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (wide ? 12 : 10) + length;
  if (start > bytes.length) throw new Error("npy: the header is cut short");
  const header = new TextDecoder("latin1").decode(bytes.subarray(wide ? 12 : 10, start));
  const descr = header.match(/'descr'\s*:\s*'([<>|=])([a-z]\d+)'/);
  const order = header.match(/'fortran_order'\s*:\s*(True|False)/);
  const extents = header.match(/'shape'\s*:\s*\(([\d\s,L]*)\)/);
  if (!descr || !order || !extents) throw new Error("npy: the header cannot be read");
  if (!kTypes[descr[2]]) throw new Error(`npy: numbers of type ${descr[2]} are not shown`);
  return {
    shape: extents[1].split(",").map((text) => text.trim()).filter(Boolean).map((text) => parseInt(text, 10)),
    code: descr[2], swapped: descr[1] === ">", columnsFirst: order[1] === "True", start,
  };
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function rowsFirst(values, shape) {
  const out = new Float64Array(values.length);
  const place = shape.map(() => 0);
  const steps = shape.map((_, axis) => shape.slice(0, axis).reduce((product, extent) => product * extent, 1));
  for (let i = 0; i < out.length; i += 1) {
    out[i] = values[place.reduce((sum, at, axis) => sum + at * steps[axis], 0)];
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      place[axis] += 1;
      if (place[axis] < shape[axis]) break;
      place[axis] = 0;
    }
  }
  return out;
}

// A file of float32 in version 1, for what this page makes itself.
export function writeNpy(shape, values) {
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${extents}), }`;
  const padded = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + "\n";
  const bytes = new Uint8Array(10 + padded.length + 4 * values.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 255, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), 10);
  const view = new DataView(bytes.buffer, 10 + padded.length);
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return bytes;
}
