// What stands on the page before anything was asked.

import { fill, h, icon } from "./dom.js";
import { kindInfo } from "./media/kinds.js";
import { kSampled } from "./media/samples.js";
import { introductionOf, questionsFor, titleFor } from "./suggestions.js";

// `does`: {ask(kind, question), attach(), examples()}
export function showEmpty(root, model, does) {
  const sampled = model.modalities.filter((kind) => kSampled.includes(kind));
  const others = model.modalities.filter((kind) => !kSampled.includes(kind));
  const perKind = sampled.length === 1 ? 3 : 1;
  const tries = sampled.flatMap((kind) => questionsFor(model, kind).slice(0, perKind).map((question) => [kind, question]));
  fill(root,
    h("img", { src: "icon.svg", alt: "", width: "44", height: "44" }),
    h("h1", {}, titleFor(model)),
    h("p", {}, introductionOf(model)),
    tries.length > 0 && h("h2", {}, "Try it with a sample"),
    tries.length > 0 && h("ul", { class: "tries" }, tries.map(([kind, question]) => h("li", {},
      h("button", { type: "button", onclick: () => does.ask(kind, question) },
        icon(kindInfo(kind).icon), h("span", {}, h("small", {}, kindInfo(kind).label), question))))),
    h("p", { class: "hint" },
      model.modalities.length > 0 && ["Or drop, paste or ",
        h("button", { type: "button", class: "link", onclick: () => does.attach() }, "attach"), " your own",
        others.length > 0 && `; it takes ${others.map((kind) => kindInfo(kind).label.toLowerCase()).join(", ")} too`, "."],
      model.family === "flamingo" && [" Begin with ",
        h("button", { type: "button", class: "link", onclick: () => does.examples() }, "solved examples"), "."]));
}
