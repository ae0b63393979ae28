// Windows above the page. The browser keeps the focus inside and gives it back.

import { h, iconButton } from "./dom.js";

// Resolves to the dialog's return value once it is closed: "" where it was left. `content(close)`
// gives the children.
export function openDialog(title, content, { className = "", onclose = () => {} } = {}) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: className, "aria-labelledby": "dialog-title" });
    const close = (value = "") => dialog.close(value);
    dialog.append(h("header", {}, h("h2", { id: "dialog-title" }, title),
                    iconButton("close", "Close", () => close())),
                  h("div", { class: "content" }, content(close)));
    dialog.addEventListener("click", (event) => { if (event.target === dialog) close(); });
    dialog.addEventListener("close", () => {
      onclose();
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
    const controls = ["button", "input", "textarea", "select"].map((tag) => ".content " + tag).join();
    (dialog.querySelector("[autofocus]") ?? dialog.querySelector(controls))?.focus();
  });
}

export async function confirmed(title, text, action) {
  const value = await openDialog(title, (close) => [
    h("p", {}, text),
    h("div", { class: "choice" },
      h("button", { type: "button", class: "plain", autofocus: true, onclick: () => close() }, "Cancel"),
      h("button", { type: "button", class: "danger", onclick: () => close("yes") }, action)),
  ], { className: "small" });
  return value === "yes";
}

// A label, its control, and a line that explains.
export function field(label, control, hint = "") {
  return h("label", { class: "field" }, h("span", {}, label), control, hint && h("small", {}, hint));
}

// Calls back with the number, or null where the field is empty or says none.
export function numberField(label, value, onvalue, { hint = "", min = null, max = null, step = "any", placeholder = "" } = {}) {
  const input = h("input", { type: "number", min, max, step, placeholder, inputmode: "decimal" });
  if (Number.isFinite(value)) input.value = String(value);
  input.addEventListener("input", () => onvalue(Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : null));
  return field(label, input, hint);
}
