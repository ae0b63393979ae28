// One question, answered through one aligner, or by two aligners or models side by side.

import { ApiError, chat } from "./api.js";
import { SentenceAnnouncer } from "./announce.js";
import { labelOf, newAnswer, otherModel, requestOf } from "./conversation.js";

// Which aligners answer: "" is the model's own. The second may be another model of `models`.
export function alignersOf(settings, model, models = [model]) {
  const own = (name) => name === "" || model.aligners.includes(name);
  const known = (name) => own(name) ||
    models.some(({ id }) => id === otherModel(name) && id !== model.id);
  const first = own(settings.aligner) ? settings.aligner : "";
  const second = settings.compare;
  return second === null || second === first || !known(second) ? [first] : [first, second];
}

// Fills turn.answers, one for each of `names`, while they come; `onchange(answer, running)` for every change. Resolves when
// all ended, were stopped or failed; what failed says so in answer.error.
export async function ask(conversation, turn, names, settings, signal, onchange) {
  turn.answers = names.map(newAnswer);
  await Promise.all(turn.answers.map((answer) =>
    follow(answer, requestOf(conversation, turn, answer.aligner, settings), signal,
           (running) => onchange(answer, running), names.length > 1)));
}

async function follow(answer, request, signal, onchange, named) {
  const begun = performance.now();
  const announcer = new SentenceAnnouncer(named ? labelOf(answer.aligner) : "");
  onchange(true);
  try {
    for await (const part of chat(await request, signal)) {
      if (part.text) answer.text += part.text;
      if (part.reason) answer.reason = part.reason;
      if (part.usage) answer.usage = part.usage;
      if (part.timings) answer.timings = part.timings;
      announcer.follow(answer.text);
      onchange(true);
    }
  } catch (error) {
    if (signal.aborted) answer.reason = "stopped";
    else answer.error = messageOf(error);
  }
  answer.seconds = (performance.now() - begun) / 1000;
  announcer.finish(answer.text, answer.error || (answer.reason === "stopped" ? "Stopped." : "End of the answer."));
  onchange(false);
}

function messageOf(error) {
  if (!(error instanceof ApiError)) return `The page failed: ${error.message}`;
  return error.retryAfter ? `${error.message.replace(/\.$/, "")}. Try again in ${error.retryAfter} s.` : error.message;
}
