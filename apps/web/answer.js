// One answer on the page: words as they come, then what they cost.

import { copyText } from "./clipboard.js";
import { labelOf } from "./conversation.js";
import { fill, h, iconButton } from "./dom.js";
import { MarkdownView } from "./markdown.js";

const kReasons = {
  length: "Cut at the longest length allowed.", stopped: "Stopped.", cancelled: "Cancelled by the server.",
  deadline: "The time for this answer was over.", content_filter: "Withheld by the server.",
};

export class AnswerView {
  constructor(answer, { named }) {
    this.answer = answer;
    this.markdown = new MarkdownView();
    this.state = h("p", { class: "state" });
    this.foot = h("footer", { class: "cost" });
    this.element = h("article", { class: "answer", "aria-label": "Answer" },
                     named && h("header", { class: "aligner" }, h("h3", {}, labelOf(answer.aligner)), this.copy()),
                     this.markdown.element, this.state, this.foot);
    this.update(false);
  }

  // While `running` the words of the next frame are drawn, not each for itself.
  update(running) {
    this.running = running;
    this.pending ??= requestAnimationFrame(() => {
      this.pending = undefined;
      this.draw();
    });
  }

  draw() {
    const { answer, running } = this;
    this.markdown.show(answer.text);
    this.element.classList.toggle("running", running);
    this.element.setAttribute("aria-busy", String(running));
    this.state.className = answer.error ? "state failed" : "state";
    fill(this.state, answer.error || (running && !answer.text ? waiting() : kReasons[answer.reason] ?? ""));
    this.state.hidden = !this.state.textContent;
    fill(this.foot, running || !answer.text ? null : costOf(answer));
  }

  copy() {
    return iconButton("copy", "Copy the answer", () => copyText(this.answer.text));
  }
}

function waiting() {
  return h("span", { class: "waiting" }, "Reading", h("i"), h("i"), h("i"));
}

const seconds = (value) => (value < 0.0995 ? `${(1000 * value).toFixed(0)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`);

// Encode, prefill and decode where the server tells, else the time it took as seen from here.
function costOf({ timings, usage, seconds: whole, reason }) {
  if (!timings) {
    const tokens = usage?.completion_tokens;
    if (!whole) return null;
    return [h("span", {}, `${seconds(whole)} in all`), tokens && h("span", {}, `${tokens} tokens`),
            tokens && reason !== "stopped" && h("span", {}, `${(tokens / whole).toFixed(1)} tokens/s in all`)];
  }
  const { encode = 0, prefill = 0, decode = 0, prompt_tokens, reused_tokens, generated_tokens } = timings;
  // The first token comes out of the prefill.
  const rate = generated_tokens > 1 && decode > 0 ? (generated_tokens - 1) / decode : 0;
  const entry = (name, value, title) => h("span", { title }, h("b", {}, name), " ", value);
  return [
    bar([["encode", encode], ["prefill", prefill], ["decode", decode]]),
    entry("encode", seconds(encode), "Media through encoder and aligner"),
    entry("prefill", seconds(prefill), "The prompt through the language model"),
    entry("decode", seconds(decode), "The words of the answer"),
    rate > 0 && entry("", `${rate.toFixed(1)} tokens/s`, `${generated_tokens} tokens generated`),
    entry("", `${prompt_tokens} in` + (reused_tokens ? `, ${reused_tokens} reused` : "") + `, ${generated_tokens} out`,
          "Tokens of the prompt, rows of media included; those kept from before; those of the answer"),
  ];
}

function bar(parts) {
  return h("span", { class: "bar", "aria-hidden": "true" }, parts.map(([name, value]) => {
    const piece = h("i", { class: name });
    piece.style.flexGrow = String(Math.max(value, 0));
    return piece;
  }));
}
