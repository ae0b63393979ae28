// Solved examples in front of the question, for models that learn from them as they read (Flamingo).

import { fill, h, icon, iconButton } from "./dom.js";
import { openDialog } from "./dialog.js";
import { newId } from "./conversation.js";
import { mediumOf } from "./media/attach.js";
import { acceptOf } from "./media/kinds.js";
import { previewOf } from "./media/preview.js";
import { kForms } from "./suggestions.js";

// Changes conversation.examples in place. `form`: {get, set} of the few-shot form. Resolves once the
// window is closed.
export function editExamples(conversation, model, form, fail) {
  return openDialog("Solved examples", (close) => {
    const list = h("ol", { class: "examples" });
    const show = () => fill(list, conversation.examples.map((example, i) => row(example, i)));
    const row = (example, i) => h("li", {},
      mediumSlot(example, model, show, fail),
      h("div", { class: "words" },
        textField("Question (may be empty)", example, "text"),
        textField("Answer", example, "answer")),
      h("div", { class: "tools" },
        iconButton("close", `Remove example ${i + 1}`, () => { conversation.examples.splice(i, 1); show(); }),
        i > 0 && iconButton("up", `Move example ${i + 1} up`, () => {
          conversation.examples.splice(i - 1, 0, ...conversation.examples.splice(i, 1));
          show();
        })));
    const add = () => {
      conversation.examples.push({ id: newId(), media: [], text: "", answer: "" });
      show();
      list.lastChild.querySelector("button, input").focus();
    };
    show();
    return [
      h("p", { class: "hint" }, "Each shows a medium and says what you would answer. The question goes on in the same way."),
      list,
      h("button", { type: "button", class: "plain add", onclick: add }, icon("plus"), "Add an example"),
      h("label", { class: "field" }, h("span", {}, "Form of the prompt"),
        h("select", { onchange: (event) => form.set(event.target.value) },
          kForms.map(({ name, label }) => h("option", { value: name, selected: name === form.get() }, label)))),
      h("div", { class: "choice" }, h("button", { type: "button", class: "chief", onclick: () => close() }, "Done")),
    ];
  }, { className: "wide", onclose: () => {
    conversation.examples = conversation.examples.filter((example) => example.media.length > 0 || example.answer || example.text);
  } });
}

function textField(label, example, key) {
  const input = h("input", { type: "text", placeholder: label, "aria-label": label,
                             oninput: (event) => { example[key] = event.target.value; } });
  input.value = example[key];
  return input;
}

function mediumSlot(example, model, show, fail) {
  const take = async (file) => {
    try {
      const { choices, ...medium } = await mediumOf(file, model);
      example.media = [medium];
      show();
    } catch (error) {
      fail(error.message);
    }
  };
  const picker = h("input", { type: "file", accept: acceptOf(model.modalities), class: "unseen", tabindex: "-1", "aria-hidden": "true",
                              onchange: (event) => { if (event.target.files[0]) take(event.target.files[0]); } });
  const [medium] = example.media;
  const slot = h("button", { type: "button", class: "slot", "aria-label": medium ? `Replace ${medium.name}` : "Choose a medium",
                             onclick: () => picker.click() },
                 medium ? previewOf(medium, model) : [icon("image"), h("span", {}, "Choose or drop")]);
  slot.addEventListener("dragover", (event) => { event.preventDefault(); event.stopPropagation(); });
  slot.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  slot.addEventListener("paste", (event) => { if (event.clipboardData.files[0]) take(event.clipboardData.files[0]); });
  return h("div", { class: "medium-slot" }, slot, picker);
}
