// Media that are attached and not yet asked about: what each is, how it looks, what to change.

import { fill, h, iconButton } from "./dom.js";
import { announce } from "./announce.js";
import { paired } from "./media/attach.js";
import { kindInfo } from "./media/kinds.js";
import { previewOf } from "./media/preview.js";
import { editMedium } from "./medium_dialog.js";

export class MediaTray {
  constructor(root, onchange) {
    Object.assign(this, { root, onchange, media: [], model: null });
  }

  // What another model does not take stays behind.
  setModel(model) {
    this.model = model;
    this.media = this.media.filter((medium) => model.modalities.includes(medium.kind));
    this.show();
  }

  add(media) {
    if (media.length === 0) return;
    this.media = paired([...this.media, ...media]);
    announce(`Attached: ${media.map((medium) => `${kindInfo(medium.kind).label} ${medium.name}`).join(", ")}`);
    this.show();
  }

  // Hands all of it over.
  take() {
    const media = this.media.map(({ choices, ...medium }) => medium);
    this.media = [];
    this.show();
    return media;
  }

  remove(medium) {
    this.media = this.media.filter((other) => other !== medium);
    this.show();
  }

  show() {
    this.root.hidden = this.media.length === 0;
    fill(this.root, this.media.map((medium) => this.card(medium)));
    this.onchange();
  }

  card(medium) {
    const info = kindInfo(medium.kind);
    const note = h("span", { class: "note" });
    const preview = previewOf(medium, this.model, { onnote: (text) => { fill(note, text); note.title = text; } });
    const kind = medium.choices?.length > 1
      ? h("select", { "aria-label": `What ${medium.name} is`, onchange: (event) => {
        medium.kind = event.target.value;
        this.media = paired(this.media);
        this.show();
        this.root.querySelector("select")?.focus();
      } }, medium.choices.map((name) => h("option", { value: name, selected: name === medium.kind }, kindInfo(name).label)))
      : h("span", { class: "kind" }, info.label);
    return h("li", { class: "card" }, preview,
             h("div", { class: "about" }, h("span", { class: "name", title: medium.name }, medium.name), kind, note),
             h("div", { class: "tools" },
               iconButton("close", `Remove ${medium.name}`, () => this.remove(medium)),
               iconButton("settings", `Look at ${medium.name}`, async () => {
                 await editMedium(medium, this.model);
                 this.show();
               })));
  }
}
