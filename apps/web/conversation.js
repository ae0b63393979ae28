// What a conversation is, and the request that it becomes. Pure.
//
//   conversation  {id, title, model, created, updated, examples: [example], turns: [turn]}
//   example       {id, media: [medium], text, answer}: a solved one, in front of all questions
//   turn          {id, text, media: [medium], answers: [answer]}
//   answer        {aligner, text, reason, usage, timings, error, seconds}; aligner: "" is the model's own,
//                 "model:ID" another model, which no aligner can be called
//   medium        {id, kind, name, blob, start, end, unit, rate, picture: medium of the same scene}

import { base64Of } from "./base64.js";
import { fileToSend } from "./media/wire.js";

export const newId = () => Date.now().toString(36) + Math.random().toString(36).slice(2, 10);

export function newConversation(model = "") {
  const now = Date.now();
  return { id: newId(), title: "", model, created: now, updated: now, examples: [], turns: [] };
}

export function newTurn(text, media) {
  return { id: newId(), text, media, answers: [] };
}

export function newMedium(kind, blob, name) {
  return { id: newId(), kind, name, blob, start: null, end: null, unit: "", rate: null, picture: null };
}

export function newAnswer(aligner) {
  return { aligner, text: "", reason: "", usage: null, timings: null, error: "", seconds: 0 };
}

// All media, those beside a map included.
export function mediaOf(conversation) {
  const own = [...conversation.examples, ...conversation.turns].flatMap((item) => item.media);
  return own.flatMap((medium) => (medium.picture ? [medium, medium.picture] : [medium]));
}

// A line for the list: the first words, or what was shown.
export function titleOf(conversation) {
  const first = conversation.turns[0];
  if (conversation.title) return conversation.title;
  const words = first?.text.trim().split("\n")[0] ?? "";
  if (words) return words.length > 60 ? words.slice(0, 57).trimEnd() + "…" : words;
  return first?.media[0]?.name ?? "New chat";
}

const kOfModel = "model:";

export const ofModel = (id) => kOfModel + id;
export const otherModel = (aligner) => (aligner.startsWith(kOfModel) ? aligner.slice(kOfModel.length) : null);
export const labelOf = (aligner) => otherModel(aligner) ?? (aligner || "own aligner");

// The body of a request for the answer to `turn` through `aligner`.
// `settings`: {system, temperature, top_p, max_tokens, seed, template}, whatever is left empty the
// server decides.
export async function requestOf(conversation, turn, aligner, settings) {
  const messages = [];
  if (settings.system?.trim()) messages.push({ role: "system", content: settings.system.trim() });
  for (const example of conversation.examples) {
    messages.push(await questionOf(example), { role: "assistant", content: example.answer });
  }
  for (const earlier of conversation.turns) {
    if (earlier === turn) break;
    const answer = answerFor(earlier, aligner);
    // A question that came to nothing is not part of what was said.
    if (answer) messages.push(await questionOf(earlier), { role: "assistant", content: answer.text });
  }
  messages.push(await questionOf(turn));
  const other = otherModel(aligner);
  const body = { model: other ?? conversation.model, messages };
  if (aligner && other === null) body.aligner = aligner;
  if (settings.template) body.template = settings.template;
  for (const name of ["temperature", "top_p", "max_tokens", "seed"])
    if (Number.isFinite(settings[name])) body[name] = settings[name];
  return body;
}

// Two that are compared each go on from their own answers.
export function answerFor(turn, aligner) {
  const said = turn.answers.filter((answer) => answer.text);
  return said.find((answer) => answer.aligner === aligner) ?? said[0] ?? null;
}

async function questionOf({ media, text }) {
  const parts = await Promise.all(media.map(partOf));
  if (text.trim()) parts.push({ type: "text", text: text.trim() });
  const onlyText = parts.length === 1 && parts[0].type === "text";
  return { role: "user", content: onlyText ? parts[0].text : parts };
}

// A medium is never changed once it was asked about, so what became of it holds.
const kSent = new WeakMap();

async function sentBytes(medium) {
  if (!kSent.has(medium)) kSent.set(medium, await fileToSend(medium));
  return base64Of(kSent.get(medium));
}

async function partOf(medium) {
  const data = await sentBytes(medium);
  if (medium.kind === "image")
    return { type: "image_url", image_url: { url: `data:${medium.blob.type || "image/png"};base64,${data}` } };
  const part = { type: medium.kind, data };
  if (Number.isFinite(medium.start)) part.start = medium.start;
  if (Number.isFinite(medium.end)) part.end = medium.end;
  if (medium.unit) part.unit = medium.unit;
  if (medium.picture) part.rgb = await base64Of(medium.picture.blob);
  return part;
}
