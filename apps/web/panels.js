// Windows of settings and of shortcuts.

import { fill, h } from "./dom.js";
import { apiKey } from "./api.js";
import { field, numberField, openDialog } from "./dialog.js";
import { change, settings, showTheme } from "./settings.js";

// `onkey` is called when another key was entered.
export function openSettings(model, onkey) {
  const before = apiKey.get();
  return openDialog("Settings", (close) => [
    h("section", {}, h("h3", {}, "Answers"),
      model.family !== "flamingo" && field("System message", systemField(), "Empty: the model's own."),
      h("div", { class: "fields" },
        number("Temperature", "temperature", { min: 0, max: 2, step: 0.1 }),
        number("Top p", "top_p", { min: 0, max: 1, step: 0.05 }),
        number("Longest answer", "max_tokens", { min: 1, step: 1 }),
        number("Seed", "seed", { step: 1 }))),
    h("section", {}, h("h3", {}, "Page"), themeChoice()),
    h("section", {}, h("h3", {}, "Server"),
      field("API key", keyField(), "Kept in this tab until it is closed.")),
    h("div", { class: "choice" }, h("button", { type: "button", class: "chief", onclick: () => close() }, "Done")),
  ], { onclose: () => { if (apiKey.get() !== before) onkey(); } });
}

function number(label, name, options) {
  return numberField(label, settings[name], (value) => change({ [name]: value }), { placeholder: "default", ...options });
}

function systemField() {
  const area = h("textarea", { rows: "2", oninput: () => change({ system: area.value }) });
  area.value = settings.system;
  return area;
}

function keyField() {
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false",
                             oninput: () => apiKey.set(input.value.trim()) });
  input.value = apiKey.get();
  return input;
}

function themeChoice() {
  const choices = [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]];
  return h("fieldset", { class: "segments" }, h("legend", {}, "Colours"),
    choices.map(([value, label]) => h("label", {},
      h("input", { type: "radio", name: "theme", value, checked: settings.theme === value, onchange: () => {
        change({ theme: value });
        showTheme();
      } }), h("span", {}, label))));
}

export const kShortcuts = [
  ["Enter", "Ask; with Shift a new line"], ["Esc", "Stop the answer, close a window"],
  ["↑", "Edit the last question, from an empty field"], ["/", "To the question"], ["n", "New chat"], ["a", "Attach"],
  ["r", "Answer again"], ["e", "Edit the last question"], ["h", "Show or hide the chats"], ["t", "Light or dark"],
  [",", "Settings"], ["?", "These shortcuts"],
];

export function openShortcuts() {
  return openDialog("Shortcuts", () => [
    h("dl", { class: "shortcuts" }, kShortcuts.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("label", { class: "check" }, h("input", { type: "checkbox", checked: settings.shortcuts,
      onchange: (event) => change({ shortcuts: event.target.checked }) }), "Single letters are shortcuts, outside of text fields"),
    h("p", { class: "hint" }, "A point cloud is turned by the arrow keys and sized by + and − once it has the focus."),
  ]);
}

// Why nothing can be asked, in place of the conversation.
export function showUnavailable(root, message, wantsKey, retry) {
  const input = h("input", { type: "password", "aria-label": "API key", placeholder: "API key", autocomplete: "off" });
  fill(root, h("div", { class: "unavailable" },
    h("h1", {}, wantsKey ? "This server asks for a key" : "The model cannot be reached"),
    h("p", {}, message),
    h("form", { onsubmit: (event) => {
      event.preventDefault();
      if (wantsKey) apiKey.set(input.value.trim());
      retry();
    } }, wantsKey && input, h("button", { class: "chief" }, wantsKey ? "Continue" : "Try again"))));
  root.hidden = false;
  if (wantsKey) input.focus();
}
