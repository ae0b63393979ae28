// Readers of files and what is computed of signals, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Fft } from "../../../apps/web/media/fft.js";
import { kBins, melSpectrum } from "../../../apps/web/media/mel.js";
import { acceptOf, extensionOf, likelyKinds } from "../../../apps/web/media/kinds.js";
import { readNpy, shapeOfNpy, writeNpy } from "../../../apps/web/media/npy.js";
import { readPcd } from "../../../apps/web/media/pcd.js";
import { readPly } from "../../../apps/web/media/ply.js";
import { readPoints } from "../../../apps/web/media/point_files.js";
import { bestGrid, describePreparation, layoutOf, preparationOf } from "../../../apps/web/media/preparation.js";
import { motionOf, readTable } from "../../../apps/web/media/tables.js";
import { fileToSend } from "../../../apps/web/media/wire.js";
import { writeWav } from "../../../apps/web/media/wav.js";

const bytesOf = (...parts) => {
  const all = parts.map((part) => (typeof part === "string" ? new TextEncoder().encode(part) : new Uint8Array(part)));
  const out = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) { out.set(part, at); at += part.length; }
  return out.buffer;
};
const floats = (values, little = true) => {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setFloat32(4 * i, value, little));
  return view.buffer;
};
const near = (actual, expected, tolerance = 1e-6) => {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i] - value) <= tolerance, `[${i}] ${actual[i]} is not ${value}`));
};

test("fft: the power of what a sum over all samples says", () => {
  for (const size of [2, 8, 64, 512]) {
    const values = Float64Array.from({ length: size }, (_, i) => Math.sin(i * 1.7) + 0.3 * Math.cos(i * i));
    const power = new Fft(size).power(values);
    for (let k = 0; k <= size / 2; k += 1) {
      let re = 0, im = 0;
      values.forEach((value, i) => {
        re += value * Math.cos(2 * Math.PI * k * i / size);
        im -= value * Math.sin(2 * Math.PI * k * i / size);
      });
      assert.ok(Math.abs(power[k] - (re * re + im * im)) < 1e-9 * size * size);
    }
  }
  assert.throws(() => new Fft(12), /power of two/);
});

test("fft: values that are missing are zeros, also after longer ones", () => {
  const fft = new Fft(8);
  fft.power(new Float64Array(8).fill(3));
  near(fft.power([1]), [1, 1, 1, 1, 1]);
});

test("mel: a tone is loudest in the band of its frequency", () => {
  const samples = Float32Array.from({ length: 16000 }, (_, i) => Math.sin(2 * Math.PI * 1000 * i / 16000));
  const { frames, values } = melSpectrum(samples);
  assert.equal(frames, 98);
  const frame = values.subarray(40 * kBins, 41 * kBins), loudest = frame.indexOf(Math.max(...frame));
  const mel = (f) => 1127 * Math.log(1 + f / 700), step = (mel(8000) - mel(20)) / (kBins + 1);
  assert.ok(Math.abs(loudest - ((mel(1000) - mel(20)) / step - 1)) <= 1, `band ${loudest}`);
  assert.equal(melSpectrum(new Float32Array(100)).frames, 0);
  assert.ok(Math.abs(melSpectrum(new Float32Array(400)).values[0] - Math.log(2 ** -23)) < 1e-5);
});

test("npy: types, orders and bytes", () => {
  const header = (descr, order, shape) => {
    const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }\n`;
    return bytesOf([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length, 0], text);
  };
  near(readNpy(bytesOf(header("<f4", "False", "2, 3"), floats([1, 2, 3, 4, 5, 6]))).values, [1, 2, 3, 4, 5, 6]);
  near(readNpy(bytesOf(header(">f4", "False", "2,"), floats([1.5, -2], false))).values, [1.5, -2]);
  near(readNpy(bytesOf(header("<f4", "True", "2, 3"), floats([1, 4, 2, 5, 3, 6]))).values, [1, 2, 3, 4, 5, 6]);
  near(readNpy(bytesOf(header("<f2", "False", "3,"), [0, 0x3c, 0, 0xc0, 1, 0])).values, [1, -2, 2 ** -24]);
  near(readNpy(bytesOf(header("|u1", "False", "2,"), [0, 255])).values, [0, 255]);
  near(readNpy(bytesOf(header("<i8", "False", "1,"), [254, 255, 255, 255, 255, 255, 255, 255])).values, [-2]);
  assert.deepEqual(readNpy(bytesOf(header("<f8", "False", ""), [0, 0, 0, 0, 0, 0, 0x14, 0x40])).shape, []);
  assert.throws(() => readNpy(bytesOf(header("<f4", "False", "9,"), [0])), /9 numbers of 4 bytes are announced/);
  assert.throws(() => readNpy(bytesOf(header("<c8", "False", "1,"), [0])), /type c8/);
  assert.throws(() => readNpy(bytesOf("no array at all")), /not a npy/);
  assert.equal(shapeOfNpy(bytesOf("short")), null);
});

test("npy: what is written is read back, and begins at a multiple of 64", () => {
  const bytes = writeNpy([2, 2], [1, 2, 3, 4]);
  assert.equal((bytes.length - 16) % 64, 0);
  assert.deepEqual(readNpy(bytes.buffer).shape, [2, 2]);
  near(readNpy(bytes.buffer).values, [1, 2, 3, 4]);
});

test("ply: ascii, with an element in front and colours", () => {
  const cloud = readPly(bytesOf("ply\nformat ascii 1.0\ncomment x\nelement face 1\nproperty list uchar int v\nelement vertex 2\nproperty float x\n" +
    "property float y\nproperty float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n3 0 1 2\n0 1 2 255 0 51\n3 4 5 0 0 0\n"));
  near(cloud.positions, [0, 1, 2, 3, 4, 5]);
  near(cloud.colours, [1, 0, 0.2, 0, 0, 0]);
});

test("ply: binary, either byte order, floats and integers", () => {
  for (const little of [true, false]) {
    const head = `ply\r\nformat binary_${little ? "little" : "big"}_endian 1.0\r\nelement vertex 2\r\nproperty float x\r\nproperty float y\r\n` +
      "property float z\r\nproperty uchar intensity\r\nend_header\r\n";
    const cloud = readPly(bytesOf(head, floats([1, 2, 3], little), [7], floats([4, 5, NaN], little), [7]));
    near(cloud.positions, [1, 2, 3]);  // a point that is not finite is left out
    assert.equal(cloud.colours, null);
  }
});

test("ply: what is broken says so", () => {
  const head = "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\nend_header\n";
  assert.throws(() => readPly(bytesOf(head, "1 2 3\n4 5\n")), /cut short/);
  assert.throws(() => readPly(bytesOf(head.replace("float z", "quad z"), "1")), /unknown type "quad"/);
  assert.throws(() => readPly(bytesOf(head.replace("property float z\n", ""), "1 2 3 4")), /no x, y and z/);
  assert.throws(() => readPly(bytesOf(head.replace("vertex 2", "vertex many"), "1")), /no number of elements/);
  assert.throws(() => readPly(bytesOf(head.replace("ascii", "braille"), "1")), /format "braille"/);
  assert.throws(() => readPly(bytesOf("ply\n")), /end_header/);
});

const pcdHead = (data, points = 2) => `# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH ${points}\nHEIGHT 1\n` +
  `POINTS ${points}\nDATA ${data}\n`;
const packedColour = new Uint8Array([51, 0, 255, 0]);  // blue, green, red

test("pcd: ascii, binary, compressed", () => {
  near(readPcd(bytesOf(pcdHead("ascii"), "1 2 3 16711731\n4 5 6 0\n")).colours, [1, 0, 0.2, 0, 0, 0]);
  const binary = readPcd(bytesOf(pcdHead("binary"), floats([1, 2, 3]), packedColour, floats([4, 5, 6]), [0, 0, 0, 0]));
  near(binary.positions, [1, 2, 3, 4, 5, 6]);
  near(binary.colours, [1, 0, 0.2, 0, 0, 0]);
  // Field after field; as one run of literal bytes, and 8 zeros as a literal zero and a copy of it.
  const fields = new Uint8Array(bytesOf(floats([0, 0]), floats([2, 5]), floats([3, 6]), packedColour, [0, 0, 0, 0]));
  const lzf = new Uint8Array([0, 0, (5 << 5), 0, 23, ...fields.subarray(8)]);
  const compressed = readPcd(bytesOf(pcdHead("binary_compressed"), new Uint32Array([lzf.length, 32]).buffer, lzf));
  near(compressed.positions, [0, 2, 3, 0, 5, 6]);
  near(compressed.colours, [1, 0, 0.2, 0, 0, 0]);
});

test("pcd: what is broken says so", () => {
  assert.throws(() => readPcd(bytesOf(pcdHead("binary", 3), floats([1, 2, 3]))), /cut short/);
  assert.throws(() => readPcd(bytesOf(pcdHead("ascii"), "1 2 3 4 5")), /cut short/);
  assert.throws(() => readPcd(bytesOf(pcdHead("magic"), "1")), /DATA magic/);
  assert.throws(() => readPcd(bytesOf(pcdHead("ascii").replace("TYPE F F F U", "TYPE F F X U"), "1")), /field z has type X/);
  for (const block of [[0x20, 9], [31, 1], [0xe0, 255, 255], [0, 1, 0, 2]])
    assert.throws(() => readPcd(bytesOf(pcdHead("binary_compressed"), new Uint32Array([block.length, 32]).buffer, block)), /broken/);
});

test("points: by content first, then by name", () => {
  near(readPoints(writeNpy([1, 6], [1, 2, 3, 1, 0, 0.5]).buffer, "x.bin").colours, [1, 0, 0.5]);
  near(readPoints(writeNpy([3, 4], [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]).buffer, "x.npy").positions, [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  near(readPoints(floats([1, 2, 3, 0.5]), "0001.bin").colours, [0.5, 0.5, 0.5]);
  near(readPoints(bytesOf("x,y,z,r,g,b\n1,2,3,255,0,51\n"), "a.csv").colours, [1, 0, 0.2]);
  near(readPoints(bytesOf("# points\n1 2 3\n4 5 6\n"), "a.txt").positions, [1, 2, 3, 4, 5, 6]);
  assert.throws(() => readPoints(bytesOf("1 2\n"), "a.txt"), /rows of 2 numbers/);
  assert.throws(() => readPoints(writeNpy([4, 4], new Array(16).fill(0)).buffer, "a.npy"), /points of 4 numbers/);
  assert.throws(() => readPoints(new ArrayBuffer(0), "a.txt"), /no numbers/);
});

test("points: a picture needs no more than some hundred thousand of them", () => {
  const count = 900000, cloud = readPoints(writeNpy([count, 3], new Float32Array(3 * count)).buffer, "a.npy");
  assert.equal(cloud.total, count);
  assert.equal(cloud.positions.length, 3 * 300000);
});

test("tables: separators, names, comments, and the line that is wrong", () => {
  assert.deepEqual(readTable("# c\na;b\n1;2\n\n3;\n").names, ["a", "b"]);
  assert.deepEqual(readTable("1 2\n3  4").rows, [[1, 2], [3, 4]]);
  assert.deepEqual(readTable("\"a\",\"b\"\n1,nan").rows, [[1, NaN]]);
  assert.throws(() => readTable("a,b\n1,2\n1,2,3"), /line 3: 3 values, expected 2/);
  assert.throws(() => readTable("a,b\n"), /no numbers/);
});

test("motion: columns by their names, seconds by their unit", () => {
  const { channels, seconds } = motionOf(readTable("timestamp_ms,gyro_x,gyro_y,gyro_z,acc_x,acc_y,acc_z\n100,4,5,6,1,2,3\n105,4,5,6,1,2,3"));
  assert.deepEqual(channels.map((channel) => channel[0]), [1, 2, 3, 4, 5, 6]);
  near(seconds, [0, 0.005]);
  near(motionOf(readTable("time,accelerometer_x,accelerometer_y,accelerometer_z,gyroscope_x,gyroscope_y,gyroscope_z\n0,1,1,1,1,1,1\n5000000,1,1,1,1,1,1")).seconds,
       [0, 0.005]);
  assert.equal(motionOf(readTable("1 2 3 4 5 6\n1 2 3 4 5 6")).seconds, null);
  assert.throws(() => motionOf(readTable("a,b\n1,2")), /expected columns/);
});

test("kinds: by ending, by name, by shape", () => {
  const all = ["image", "video", "audio", "points", "depth", "normal", "imu", "fmri"];
  const first = (name, type, shape) => likelyKinds({ name, type }, all, shape)[0];
  assert.equal(first("a.png", "image/png"), "image");
  assert.equal(first("a_depth.png", "image/png"), "depth");
  assert.equal(first("a_normals.png", "image/png"), "normal");
  assert.equal(first("a.webm", "video/webm"), "video");
  assert.equal(first("a.gif", "image/gif"), "image");
  assert.equal(first("a.csv"), "imu");
  assert.equal(first("cloud.csv"), "points");
  assert.equal(first("x.npy", "", [8192, 6]), "points");
  assert.equal(first("x.npy", "", [6, 400]), "imu");
  assert.equal(first("x.npy", "", [15724]), "fmri");
  assert.equal(first("x.npy", "", [3, 15724]), "points");
  assert.equal(first("x.npy", "", [480, 640]), "depth");
  assert.equal(first("x.npy", "", [480, 640, 3]), "normal");
  assert.equal(first("scan.nii.gz"), "fmri");
  assert.deepEqual(likelyKinds({ name: "a.png", type: "image/png" }, ["image"]), ["image"]);
  assert.deepEqual(likelyKinds({ name: "a.xyz", type: "" }, ["image", "ecg"]), ["image", "ecg"]);
  assert.equal(extensionOf("A.NII.GZ"), "nii.gz");
  assert.equal(acceptOf(["image"]), "image/*");
  assert.equal(acceptOf(["image", "ecg"]), "");
});

test("preparation: the square a picture is padded to, or the middle that is kept", () => {
  const llava = preparationOf({ family: "llava", id: "llava-v1.5-7b", image: null });
  assert.deepEqual(layoutOf(llava, 640, 480).picture, [0, 80, 640, 480]);
  assert.equal(describePreparation(llava, 640, 480), "padded to a square");
  const onellm = preparationOf({ family: "onellm", id: "x", image: null });
  assert.deepEqual(layoutOf(onellm, 640, 480).seen, [80, 0, 480, 480]);
  assert.equal(describePreparation(onellm, 480, 480), "seen whole");
  const told = preparationOf({ family: "llava", id: "x", image: { mode: "crop", size: 80 } });
  assert.equal(describePreparation(told, 640, 480), "the middle square, resized to 80 × 80");
});

test("preparation: the grid of LLaVA 1.6 that keeps most of a picture", () => {
  const next = preparationOf({ family: "llava", id: "llava-v1.6-mistral-7b", image: null });
  assert.deepEqual(bestGrid([1000, 300], next.grids), [1008, 336]);
  assert.deepEqual(bestGrid([500, 500], next.grids), [672, 672]);
  assert.equal(describePreparation(next, 300, 1000), "1 × 3 tiles and the whole");
});

test("wav: a header of 44 bytes and samples that are clipped", () => {
  const view = new DataView(writeWav(Float32Array.of(0, 1, -2), 16000).buffer);
  assert.equal(view.byteLength, 50);
  assert.equal(view.getUint32(24, true), 16000);
  assert.deepEqual([44, 46, 48].map((at) => view.getInt16(at, true)), [0, 32767, -32767]);
});

test("wire: motion without times becomes a table with them", async () => {
  const values = Float32Array.from({ length: 12 }, (_, i) => i);  // 6 channels of 2 samples
  const sent = await fileToSend({ kind: "imu", name: "a.npy", blob: new Blob([writeNpy([6, 2], values)]), rate: 100 });
  assert.equal(await sent.text(), "timestamp_ms,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n0,0,2,4,6,8,10\n10,1,3,5,7,9,11");
});

test("wire: points in text become an array, other files go as they are", async () => {
  const sent = await fileToSend({ kind: "points", name: "a.txt", blob: new Blob(["1 2 3 255 0 51\n"]) });
  const { shape, values } = readNpy(await sent.arrayBuffer());
  assert.deepEqual(shape, [1, 6]);
  near(values, [1, 2, 3, 1, 0, 0.2]);
  const blob = new Blob(["x"]);
  assert.equal(await fileToSend({ kind: "points", name: "a.ply", blob }), blob);
  assert.equal(await fileToSend({ kind: "imu", name: "a.csv", blob }), blob);
});
