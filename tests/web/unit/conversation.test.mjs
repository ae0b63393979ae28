// Requests, events and archives, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { readArchive, writeArchive } from "../../../apps/web/archive.js";
import { alignersOf } from "../../../apps/web/ask.js";
import { newAnswer, newConversation, newMedium, newTurn, requestOf, titleOf } from "../../../apps/web/conversation.js";
import { EventStream } from "../../../apps/web/event_stream.js";

const blob = (text, type = "image/png") => new Blob([text], { type });
const answered = (text, aligner = "") => ({ ...newAnswer(aligner), text });

test("a first question is media, then words", async () => {
  const conversation = newConversation("m");
  const turn = newTurn(" What? ", [newMedium("image", blob("abc"), "a.png")]);
  conversation.turns.push(turn);
  assert.deepEqual(await requestOf(conversation, turn, "", {}), { model: "m", messages: [{ role: "user", content: [
    { type: "image_url", image_url: { url: "data:image/png;base64,YWJj" } }, { type: "text", text: "What?" }] }] });
});

test("other media say their kind, their seconds, their unit and the picture beside them", async () => {
  const sound = { ...newMedium("audio", blob("s", "audio/wav"), "a.wav"), start: 1, end: 2.5 };
  const depth = { ...newMedium("depth", blob("d"), "d.npy"), unit: "mm", picture: newMedium("image", blob("p"), "p.png") };
  const turn = newTurn("", [sound, depth]);
  const { messages } = await requestOf({ ...newConversation("m"), turns: [turn] }, turn, "", {});
  assert.deepEqual(messages[0].content, [{ type: "audio", data: "cw==", start: 1, end: 2.5 }, { type: "depth", data: "ZA==", unit: "mm", rgb: "cA==" }]);
});

test("examples stand first, failed questions are left out, later ones too", async () => {
  const conversation = newConversation("m");
  conversation.examples = [{ id: "e", media: [], text: "2 + 2", answer: "4" }];
  const failed = newTurn("lost", []), first = newTurn("one", []), now = newTurn("two", []), later = newTurn("three", []);
  failed.answers = [{ ...newAnswer(""), error: "no" }];
  first.answers = [answered("first answer")];
  conversation.turns = [failed, first, now, later];
  const { messages } = await requestOf(conversation, now, "", { system: "Be brief." });
  assert.deepEqual(messages.map((message) => `${message.role}: ${message.content}`),
                   ["system: Be brief.", "user: 2 + 2", "assistant: 4", "user: one", "assistant: first answer", "user: two"]);
});

test("each of two aligners goes on from its own answer", async () => {
  const first = newTurn("one", []), now = newTurn("two", []);
  first.answers = [answered("own"), answered("other", "b")];
  const conversation = { ...newConversation("m"), turns: [first, now] };
  const request = await requestOf(conversation, now, "b", { temperature: 0, seed: null, template: "vqa" });
  assert.equal(request.messages[1].content, "other");
  assert.deepEqual([request.aligner, request.temperature, request.template, "seed" in request], ["b", 0, "vqa", false]);
  assert.equal((await requestOf(conversation, now, "c", {})).messages[1].content, "own");
});

test("aligners that a model does not have are not asked", () => {
  const model = { aligners: ["b"] };
  assert.deepEqual(alignersOf({ aligner: "", compare: null }, model), [""]);
  assert.deepEqual(alignersOf({ aligner: "b", compare: "" }, model), ["b", ""]);
  assert.deepEqual(alignersOf({ aligner: "gone", compare: "gone" }, model), [""]);
  assert.deepEqual(alignersOf({ aligner: "b", compare: "b" }, model), ["b"]);
});

test("another model is asked by its name", async () => {
  const models = [{ id: "m", aligners: ["b"] }, { id: "n", aligners: [] }];
  const compared = (compare, model = models[0]) => alignersOf({ aligner: "", compare }, model, models);
  assert.deepEqual(compared("model:n"), ["", "model:n"]);
  assert.deepEqual(compared("model:m"), [""]);
  assert.deepEqual(compared("model:gone"), [""]);
  const now = newTurn("one", []), conversation = { ...newConversation("m"), turns: [now] };
  const request = await requestOf(conversation, now, "model:n", {});
  assert.deepEqual([request.model, request.aligner], ["n", undefined]);
});

test("titles: the first line, cut; else what was shown", () => {
  const title = (text, media = []) => titleOf({ ...newConversation(), turns: [newTurn(text, media)] });
  assert.equal(title("a\nb"), "a");
  assert.equal(title("x".repeat(80)).length, 58);
  assert.equal(title("", [newMedium("image", blob(""), "cat.png")]), "cat.png");
  assert.equal(titleOf(newConversation()), "New chat");
});

test("events are the same wherever the stream is cut", () => {
  const text = ": hello\r\ndata: {\"a\": 1}\r\n\r\ndata: one\ndata:two\n\nevent: x\ndata: [DONE]\n\ndata: never ended";
  for (let cut = 0; cut <= text.length; cut += 1) {
    const stream = new EventStream();
    assert.deepEqual([...stream.push(text.slice(0, cut)), ...stream.push(text.slice(cut))], ["{\"a\": 1}", "one\ntwo", "[DONE]"], `cut at ${cut}`);
  }
});

test("an archive gives back what was put in, with ids of its own", async () => {
  const turn = newTurn("What?", [{ ...newMedium("depth", blob("depth"), "d.png"), picture: newMedium("image", blob("scene"), "s.png") }]);
  turn.answers = [{ ...answered("That.", "b"), timings: { encode: 0.5 } }];
  const conversation = { ...newConversation("m"), turns: [turn], examples: [{ id: "e", text: "", answer: "x", media: [] }] };
  const [back] = readArchive(await writeArchive([conversation]));
  assert.notEqual(back.id, conversation.id);
  assert.equal(back.turns[0].answers[0].timings.encode, 0.5);
  assert.equal(back.examples[0].answer, "x");
  assert.equal(await back.turns[0].media[0].blob.text(), "depth");
  assert.equal(await back.turns[0].media[0].picture.blob.text(), "scene");
});

test("archives of others are refused, and what they carry is taken as text", () => {
  assert.throws(() => readArchive("{"), /not JSON/);
  assert.throws(() => readArchive("null"), /no conversations/);
  assert.throws(() => readArchive(JSON.stringify({ format: "isthmus-conversations", version: 9, conversations: [] })), /version 9/);
  const of = (conversation) => JSON.stringify({ format: "isthmus-conversations", version: 1, conversations: [conversation] });
  assert.throws(() => readArchive(of({})), /Conversation 1 of the file is broken: "turns" is no list/);
  assert.throws(() => readArchive(of({ turns: [{ media: [{ kind: "image", data: "%" }], answers: [] }] })), /broken/);
  const [odd] = readArchive(of({ title: { a: 1 }, turns: [{ text: 5, media: [], answers: [{ text: [], timings: { x: "y" } }] }] }));
  assert.deepEqual([odd.title, odd.turns[0].text, odd.turns[0].answers[0].text, odd.turns[0].answers[0].timings], ["", "", "", {}]);
});
