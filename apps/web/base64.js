// Bytes as text and back. Pure.

const kKnown = new WeakMap();  // the same picture goes along with every further question

export async function base64Of(blob) {
  if (!kKnown.has(blob)) kKnown.set(blob, encode(new Uint8Array(await blob.arrayBuffer())));
  return kKnown.get(blob);
}

export function encode(bytes) {
  const kPiece = 0x8000;  // as many arguments as a call surely takes
  let text = "";
  for (let at = 0; at < bytes.length; at += kPiece)
    text += String.fromCharCode(...bytes.subarray(at, at + kPiece));
  return btoa(text);
}

// Throws what atob throws.
export function decode(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
