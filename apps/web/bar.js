// Above the conversation: which model it is with. Below the question: how it is to be answered.

import { labelOf, ofModel } from "./conversation.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { change, settings } from "./settings.js";

export class Bar {
  constructor(root, choices, app) {
    Object.assign(this, { root, choices, app });
    this.menu = iconButton("menu", "Chats", () => app.toggleSidebar(), { class: "quiet toggle" });
    this.title = h("div", { class: "model" });
    fill(root, this.menu, this.title, h("div", { class: "tools" },
      iconButton("plus", "New chat", () => app.begin(), { class: "quiet only-narrow" }),
      iconButton("moon", "Light or dark", () => app.theme(), { class: "quiet" }),
      iconButton("settings", "Settings", () => app.settings()),
      iconButton("help", "Shortcuts", () => app.shortcuts(), { class: "quiet only-wide" })));
  }

  show() {
    const { model, models } = this.app;
    fill(this.title,
      models.length > 1
        ? h("select", { "aria-label": "Model", onchange: (event) => this.app.useModel(models[event.target.selectedIndex]) },
            models.map((one) => h("option", { selected: one === model }, one.id)))
        : h("b", {}, model.id),
      h("span", { class: "facts" }, factsOf(model)));
    fill(this.choices, this.alignerChoice(), this.examplesChoice());
  }

  alignerChoice() {
    const { model, models } = this.app;
    const others = models.filter((one) => one !== model).map((one) => ofModel(one.id));
    const names = ["", ...model.aligners];
    if (names.length + others.length === 1) return null;
    const [first, second] = this.app.aligners();
    const select = (title, value, options, pick) => h("select", { "aria-label": title, title, onchange: (event) => {
      pick(event.target.value);
      this.show();
    } }, options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
    const beside = [...names.filter((name) => name !== first), ...others].map((name) => ["=" + name, labelOf(name)]);
    return [
      names.length > 1 && select("Aligner", first, names.map((name) => [name, labelOf(name)]), (aligner) => change({ aligner })),
      h("span", { class: "compare" }, icon("compare"),
        select("Compare with", second === undefined ? "" : "=" + second, [["", "compare with …"], ...beside],
               (value) => change({ compare: value ? value.slice(1) : null }))),
    ];
  }

  examplesChoice() {
    if (this.app.model.family !== "flamingo") return null;
    const count = this.app.conversation.examples.length;
    return h("button", { type: "button", class: "pill", onclick: () => this.app.examples() },
             icon("examples"), count === 0 ? "Examples" : `${count} ${count === 1 ? "example" : "examples"}`);
  }
}

function factsOf({ storage, context_length: length }) {
  return [storage === "stored" ? "" : storage, length && `${length.toLocaleString("en")} tokens`].filter(Boolean).join(" · ");
}
