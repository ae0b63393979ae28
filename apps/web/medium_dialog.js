// A medium at its full size, and what can be said about it: which seconds, which unit, which scene.

import { fill, h } from "./dom.js";
import { field, numberField, openDialog } from "./dialog.js";
import { newMedium } from "./conversation.js";
import { kindInfo } from "./media/kinds.js";
import { hasNoTimes, kUsualRate } from "./media/motion.js";
import { previewOf } from "./media/preview.js";

// Resolves once the window is closed; `medium` is changed in place.
export function editMedium(medium, model) {
  const info = kindInfo(medium.kind);
  return openDialog(info.label, (close) => {
    const stage = h("div", { class: "stage" });
    const show = () => fill(stage, previewOf(medium, model, { full: true }));
    let timer;
    const changed = () => {
      clearTimeout(timer);
      timer = setTimeout(show, 300);
    };
    show();
    return [
      stage,
      info.lasting && h("div", { class: "fields" },
        numberField("From second", medium.start, (value) => { medium.start = value; changed(); }, { min: 0, placeholder: "its beginning" }),
        numberField("to second", medium.end, (value) => { medium.end = value; changed(); }, { min: 0, placeholder: "its end" })),
      hasNoTimes(medium) && numberField("Samples per second", medium.rate, (value) => { medium.rate = value; changed(); },
        { min: 1, max: 2000, placeholder: String(kUsualRate), hint: "The file does not tell." }),
      medium.kind === "depth" && field("Unit", unitOf(medium), "Of files that hold measured depths."),
      info.needsPicture && field("Picture of the same scene", pictureOf(medium, show),
                                 "The model looks at the picture and the map together."),
      h("div", { class: "choice" }, h("button", { type: "button", class: "chief", onclick: () => close() }, "Done")),
    ];
  }, { className: "wide" });
}

function unitOf(medium) {
  const choices = [["", "as the file suggests"], ["m", "metres"], ["mm", "millimetres"]];
  return h("select", { onchange: (event) => { medium.unit = event.target.value; } },
           choices.map(([value, label]) => h("option", { value, selected: medium.unit === value }, label)));
}

function pictureOf(medium, show) {
  return h("input", { type: "file", accept: "image/*", onchange: (event) => {
    const [file] = event.target.files;
    if (!file) return;
    medium.picture = newMedium("image", file, file.name);
    show();
  } });
}
