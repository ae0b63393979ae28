// Conversations as one JSON file, media included, and back. Pure.

import { decode, encode } from "./base64.js";
import { newAnswer, newId } from "./conversation.js";

const kFormat = "isthmus-conversations";

export async function writeArchive(conversations) {
  return JSON.stringify({ format: kFormat, version: 1, conversations: await Promise.all(conversations.map(packed)) });
}

async function packed(conversation) {
  const items = (list) => Promise.all(list.map(async (item) => ({ ...item, media: await Promise.all(item.media.map(packedMedium)) })));
  return { ...conversation, examples: await items(conversation.examples), turns: await items(conversation.turns) };
}

async function packedMedium({ blob, picture, ...rest }) {
  return { ...rest, type: blob.type, data: encode(new Uint8Array(await blob.arrayBuffer())),
           picture: picture ? await packedMedium(picture) : null };
}

// Conversations with new ids, so that none is overwritten. Throws Error saying what does not fit.
export function readArchive(text) {
  let archive;
  try {
    archive = JSON.parse(text);
  } catch {
    throw new Error("The file is not JSON.");
  }
  if (archive?.format !== kFormat || !Array.isArray(archive.conversations))
    throw new Error("The file holds no conversations of this page.");
  if (archive.version !== 1) throw new Error(`The file has version ${archive.version}; this page reads version 1.`);
  return archive.conversations.map((conversation, i) => {
    try {
      return unpacked(conversation);
    } catch (error) {
      throw new Error(`Conversation ${i + 1} of the file is broken: ${error.message}`);
    }
  });
}

// Only what is known is taken over, and only as the type it should have.
function unpacked(source) {
  const now = Date.now();
  return {
    id: newId(), title: text(source.title), model: text(source.model),
    created: number(source.created) ?? now, updated: number(source.updated) ?? now,
    examples: list(source.examples ?? [], "examples").map((example) => ({
      id: newId(), text: text(example.text), answer: text(example.answer), media: media(example.media) })),
    turns: list(source.turns, "turns").map((turn) => ({
      id: newId(), text: text(turn.text), media: media(turn.media),
      answers: list(turn.answers, "answers").map(unpackedAnswer) })),
  };
}

function unpackedAnswer(source) {
  return { ...newAnswer(text(source.aligner)), text: text(source.text), reason: text(source.reason),
           error: text(source.error), usage: numbers(source.usage), timings: numbers(source.timings),
           seconds: number(source.seconds) ?? 0 };
}

function media(source) {
  return list(source, "media").map(unpackedMedium);
}

function unpackedMedium(source) {
  if (typeof source.data !== "string" || typeof source.kind !== "string") throw new Error("a medium without data or kind");
  return { id: newId(), kind: source.kind, name: text(source.name), start: number(source.start), end: number(source.end),
           unit: text(source.unit), rate: number(source.rate), blob: new Blob([decode(source.data)], { type: text(source.type) }),
           picture: source.picture ? unpackedMedium(source.picture) : null };
}

const text = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? value : null);

function numbers(value) {
  if (value === null || typeof value !== "object") return null;
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => Number.isFinite(entry)));
}

function list(value, name) {
  if (!Array.isArray(value)) throw new Error(`"${name}" is no list`);
  return value;
}
