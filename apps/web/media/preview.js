// A medium as people may look at it: shaped as the model will see it. The element is there at once
// and has its size, what is drawn in it follows.

import { fill, h, icon } from "../dom.js";
import { audioView } from "./audio_view.js";
import { cloudView } from "./cloud_view.js";
import { imageView } from "./image_view.js";
import { kindInfo } from "./kinds.js";
import { mapView } from "./map_view.js";
import { preparationOf } from "./preparation.js";
import { activityView, motionView } from "./signal_view.js";
import { videoView } from "./video_view.js";

const kFull = 176, kCloud = 240, kSmall = 64;  // pixels high, as style sheets have it

// `full`: with captions and controls, otherwise a small picture alone. `onnote` is told what was
// found in the file.
export function previewOf(medium, model, { full = false, onnote = () => {} } = {}) {
  const info = kindInfo(medium.kind);
  const box = h("div", { class: `view ${full ? "full" : "small"} ${medium.kind}` }, icon(info.icon));
  const caption = h("figcaption", {}, `${info.label} · ${medium.name}`);
  const options = {
    ...medium, full, height: !full ? kSmall : medium.kind === "points" ? kCloud : kFull, label: `${info.label}: ${medium.name}`,
    preparation: preparationOf(model),
  };
  viewOf(medium, options).then(({ element, note }) => {
    fill(box, element);
    fill(caption, `${info.label} · ${medium.name}`, h("span", { class: "note" }, note));
    onnote(note);
  }).catch((error) => {
    box.classList.add("failed");
    fill(box, icon(info.icon), full && h("span", {}, `No preview: ${error.message}`));
    onnote(`no preview: ${error.message}`);
  });
  return full ? h("figure", { class: "medium" }, box, caption) : box;
}

async function viewOf(medium, options) {
  switch (medium.kind) {
    case "image": return imageView(medium.blob, options);
    case "video": return videoView(medium.blob, options);
    case "audio": return audioView(medium.blob, options);
    case "points": return cloudView(medium.blob, options);
    case "imu": return motionView(medium.blob, options);
    case "fmri": return activityView(medium.blob, options);
    case "depth":
    case "normal": return mapView(medium, options);
    default: throw new Error("this page does not know the kind");
  }
}
