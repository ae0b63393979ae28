// Numbers in text files: csv with names above, or bare rows. Pure.

// {names: [] where there are none, rows: [[number]]}. Lines that begin with # are passed over.
// Throws Error naming the line.
export function readTable(text) {
  const lines = text.split(/\r?\n/);
  let names = [], separator = null, width = 0;
  const rows = [];
  lines.forEach((line, number) => {
    if (!line.trim() || line.trim().startsWith("#")) return;
    separator ??= [",", ";", "\t"].find((sign) => line.includes(sign)) ?? /\s+/;
    const words = line.trim().split(separator).map((word) => word.trim().replace(/^"(.*)"$/, "$1"));
    const numbers = words.map((word) => (word === "" ? NaN : Number(word)));
    const isText = words.some((word, i) => Number.isNaN(numbers[i]) && !/^(nan|)$/i.test(word));
    if (isText && rows.length === 0 && names.length === 0) {
      names = words;
      width = words.length;
      return;
    }
    width ||= words.length;
    if (words.length !== width)
      throw new Error(`line ${number + 1}: ${words.length} values, expected ${width}`);
    rows.push(numbers);
  });
  if (rows.length === 0) throw new Error("there are no numbers in the file");
  return { names, rows };
}

const kSensors = [/^(accelerometer|acceleration|accl|acc|a)[_ .-]?/i, /^(gyroscope|gyro|gyr|g|w)[_ .-]?/i];

// Six channels of motion in the order of the model, and the seconds of each sample where a column
// tells: {channels: [Float64Array], seconds or null}. Throws Error.
export function motionOf({ names, rows }) {
  const column = (at) => Float64Array.from(rows, (row) => row[at]);
  const places = kSensors.flatMap((sensor) => ["x", "y", "z"].map((axis) =>
    names.findIndex((name) => sensor.test(name) && name.replace(sensor, "").toLowerCase().startsWith(axis))));
  const time = names.findIndex((name) => /^(time|timestamp)/i.test(name));
  if (places.includes(-1)) {
    if (names.length > 0 || rows[0].length !== 6)
      throw new Error("expected columns for accelerometer and gyroscope, x y z of each");
    return { channels: [0, 1, 2, 3, 4, 5].map(column), seconds: null };
  }
  return { channels: places.map(column), seconds: time < 0 ? null : secondsOf(column(time), names[time]) };
}

function secondsOf(times, name) {
  const unit = name.match(/_(ns|us|ms|s)$/i)?.[1].toLowerCase();
  const step = (times.at(-1) - times[0]) / Math.max(1, times.length - 1);
  // Without a unit: the one that makes a plausible number of samples a second.
  const factor = unit ? { ns: 1e-9, us: 1e-6, ms: 1e-3, s: 1 }[unit]
    : [1, 1e-3, 1e-6, 1e-9].find((f) => step * f < 0.5) ?? 1;
  return times.map((time) => (time - times[0]) * factor);
}
