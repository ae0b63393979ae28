// Numbers as point files name and store them. Pure.

// By the names of ply and, for its letter and size, of pcd: [bytes, reader, largest or 0 for floats].
export const kNumbers = {
  int8: [1, "getInt8", 127], uint8: [1, "getUint8", 255],
  int16: [2, "getInt16", 32767], uint16: [2, "getUint16", 65535],
  int32: [4, "getInt32", 2147483647], uint32: [4, "getUint32", 4294967295],
  float32: [4, "getFloat32", 0], float64: [8, "getFloat64", 0],
};

// Gathers points as they are read: positions as they are, colours from 0 to 1. Beyond `most` every
// n-th point is kept, for a picture needs no more. Points that are not finite are left out.
export class PointCollector {
  constructor(count, hasColours, most = 400000) {
    this.step = Math.max(1, Math.ceil(count / most));
    this.positions = [];
    this.colours = hasColours ? [] : null;
    this.total = count;
    this.at = 0;
  }

  add(x, y, z, r = 0, g = 0, b = 0) {
    this.at += 1;
    if ((this.at - 1) % this.step !== 0 || !Number.isFinite(x + y + z)) return;
    this.positions.push(x, y, z);
    this.colours?.push(r, g, b);
  }

  finish() {
    if (this.positions.length === 0) throw new Error("there is no point in the file");
    return {
      positions: Float32Array.from(this.positions),
      colours: this.colours && Float32Array.from(this.colours), total: this.total,
    };
  }
}
