// The list of earlier conversations, and what can be done with all of them.

import { fill, h, icon, iconButton } from "./dom.js";
import { titleOf } from "./conversation.js";
import { kMostBytes } from "./history.js";

export class Sidebar {
  // `does`: {begin(), open(id), remove(id), exportAll(), importFrom(file), clear(), close()}
  constructor(root, does) {
    Object.assign(this, { root, does });
    const picker = h("input", { type: "file", accept: ".json,application/json", class: "unseen", tabindex: "-1",
                                "aria-hidden": "true", onchange: () => {
      if (picker.files[0]) does.importFrom(picker.files[0]);
      picker.value = "";
    } });
    this.list = h("ul", { class: "chats" });
    this.room = h("p", { class: "room" });
    fill(root,
         h("header", {}, h("img", { src: "icon.svg", alt: "", width: "26", height: "26" }), h("b", {}, "Isthmus"),
           iconButton("close", "Hide the chats", () => does.close(), { class: "quiet hide" })),
         h("button", { type: "button", class: "begin", onclick: () => does.begin() }, icon("plus"), "New chat"),
         h("nav", { "aria-label": "Earlier chats" }, this.list),
         h("footer", {}, this.room,
           h("div", { class: "row" },
             iconButton("export", "Export all chats", () => does.exportAll()), iconButton("import", "Import chats", () => picker.click()),
             iconButton("trash", "Delete all chats", () => does.clear()), picker)));
  }

  // `records` as History.list() gives them.
  show(records, currentId, kept) {
    fill(this.list, records.map((record) => this.entry(record, record.id === currentId)));
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
    fill(this.room, !kept ? "This browser keeps no chats."
      : records.length === 0 ? "Chats are kept in this browser alone."
        : `Media ${megabytes(bytes)} of ${megabytes(kMostBytes)}, in this browser alone`);
  }

  entry(record, isCurrent) {
    const kinds = [...new Set(record.turns.flatMap((turn) => turn.media.map((medium) => medium.kind)))];
    return h("li", { class: isCurrent ? "current" : null },
             h("button", { type: "button", class: "chat", "aria-current": isCurrent ? "true" : null,
                           onclick: () => this.does.open(record.id) },
               kinds.length > 0 && icon(kinds[0]), h("span", {}, titleOf(record))),
             iconButton("trash", `Delete “${titleOf(record)}”`, () => this.does.remove(record.id)));
  }
}

function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 2 ** 20).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
