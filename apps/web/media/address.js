// One address for each file that a player plays, however often it is shown.

const kAddresses = new WeakMap();

export function addressOf(blob) {
  if (!kAddresses.has(blob)) kAddresses.set(blob, URL.createObjectURL(blob));
  return kAddresses.get(blob);
}
