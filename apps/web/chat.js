// The questions and answers of a conversation on the page.

import { AnswerView } from "./answer.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { previewOf } from "./media/preview.js";

export class Chat {
  // `does`: {edit(turn, text), again(turn), model()}
  constructor(root, scroller, does) {
    Object.assign(this, { root, scroller, does, views: new Map(), sticks: true });
    // Follows the growing answer, unless somebody scrolled up to read.
    scroller.addEventListener("scroll", () => {
      this.sticks = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
      this.down.hidden = this.sticks;
    }, { passive: true });
    new ResizeObserver(() => { if (this.sticks) this.toEnd(); }).observe(root);
    this.down = iconButton("down", "To the end", () => this.follow(), { class: "quiet down", hidden: true });
    scroller.after(this.down);
  }

  show(conversation) {
    this.views.clear();
    fill(this.root, conversation.examples.length > 0 && this.examplesElement(conversation));
    conversation.turns.forEach((turn) => this.add(turn));
    this.follow();
  }

  add(turn) {
    const view = { turn, answers: new Map() };
    view.question = h("div", { class: "question" });
    view.columns = h("div", { class: "answers" });
    view.actions = h("div", { class: "actions" });
    view.element = h("section", { class: "turn" }, h("h2", { class: "unseen" }, "Question"), view.question,
                     h("h2", { class: "unseen" }, "Answer"), view.columns, view.actions);
    this.views.set(turn.id, view);
    this.root.append(view.element);
    this.showQuestion(view);
    turn.answers.forEach((answer) => this.update(turn, answer, false));
    this.follow();
  }

  // An answer changed, or is new.
  update(turn, answer, running) {
    const view = this.views.get(turn.id);
    if (!view) return;  // another conversation is shown by now
    if (!view.answers.has(answer)) {
      for (const old of view.answers.keys()) if (!turn.answers.includes(old)) view.answers.delete(old);
      view.answers.set(answer, new AnswerView(answer, { named: turn.answers.length > 1 }));
      view.columns.classList.toggle("two", turn.answers.length > 1);
      fill(view.columns, [...view.answers.values()].map((one) => one.element));
    }
    view.answers.get(answer).update(running);
    this.showActions(view);
  }

  // Buttons below an answer appear once nothing is under way.
  setRunning(running) {
    this.running = running;
    this.views.forEach((view) => this.showActions(view));
  }

  showActions(view) {
    const isLast = [...this.views.values()].at(-1) === view;
    const idle = !this.running || !isLast;
    fill(view.actions,
         idle && view.answers.size === 1 && [...view.answers.values()][0].copy(),
         idle && isLast && iconButton("again", "Answer again", () => this.does.again(view.turn)));
  }

  showQuestion(view) {
    const { turn } = view;
    const media = turn.media.map((medium) => previewOf(medium, this.does.model(), { full: true }));
    fill(view.question,
         media.length > 0 && h("div", { class: "media" }, media),
         h("div", { class: "said" },
           iconButton("edit", "Edit the question", () => this.edit(view)),
           turn.text && h("p", { class: "bubble" }, turn.text)));
  }

  // The question becomes a field. What was asked after it is asked no more.
  edit(view) {
    const { turn } = view;
    const field = h("textarea", { "aria-label": "Question", rows: "3" });
    field.value = turn.text;
    const later = [...this.views.values()].at(-1) !== view;
    const leave = () => {
      this.showQuestion(view);
      view.question.querySelector("button").focus();
    };
    const form = h("form", { class: "editing", onsubmit: (event) => {
      event.preventDefault();
      if (!field.value.trim() && turn.media.length === 0) return;
      this.does.edit(turn, field.value.trim());
    } }, field, h("div", {}, later && h("span", {}, "What follows will be removed."),
                  h("button", { type: "button", class: "plain", onclick: leave }, "Cancel"),
                  h("button", { class: "chief" }, "Ask again")));
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.stopPropagation(); leave(); }
      if (event.key === "Enter" && !event.shiftKey && event.target === field && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    view.question.querySelector(".said").replaceWith(form);
    field.focus();
  }

  editLast() {
    const view = [...this.views.values()].at(-1);
    if (view && !this.running) this.edit(view);
  }

  // Removes a turn and all behind it.
  cutFrom(turn) {
    let gone = false;
    for (const [id, view] of this.views) {
      gone ||= view.turn === turn;
      if (!gone) continue;
      view.element.remove();
      this.views.delete(id);
    }
  }

  examplesElement(conversation) {
    const count = conversation.examples.length;
    return h("p", { class: "prefix" }, icon("examples"),
             `${count} solved ${count === 1 ? "example stands" : "examples stand"} in front of every question.`);
  }

  follow() {
    this.sticks = true;
    this.down.hidden = true;
    this.toEnd();
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}
