// From a file that somebody gives to a medium of one of the model's kinds.

import { newMedium } from "../conversation.js";
import { extensionOf, kindInfo, likelyKinds } from "./kinds.js";
import { shapeOfNpy } from "./npy.js";

// The medium, with `choices`: the kinds that it might be instead. Throws Error where the model takes
// no such thing.
export async function mediumOf(file, model) {
  if (model.modalities.length === 0) throw new Error(`${model.id} reads text alone.`);
  if (file.size === 0) throw new Error(`${file.name || "The file"} is empty.`);
  const isArray = extensionOf(file.name) === "npy";
  const shape = isArray ? shapeOfNpy(await file.slice(0, 4096).arrayBuffer()) : null;
  const choices = likelyKinds(file, model.modalities, shape);
  const sure = choices.filter((kind) => kindInfo(kind).extensions.includes(extensionOf(file.name)) ||
                                        file.type.startsWith(kind + "/"));
  if (sure.length === 0 && /^(image|video|audio)\//.test(file.type))
    throw new Error(`${model.id} takes no ${file.type.split("/")[0]} (${file.name}).`);
  return { ...newMedium(choices[0], file, file.name || kindInfo(choices[0]).label), choices };
}

// A map takes the picture of its scene out of `media`: the one of the same name, else the only one.
// Returns what is left.
export function paired(media) {
  const pictures = media.filter((medium) => medium.kind === "image");
  const stem = (medium) => medium.name.replace(/\.[^.]*$/, "").replace(/[_-]?(depth|normals?|rgb)$/i, "");
  const lonely = media.filter((medium) => kindInfo(medium.kind).needsPicture && !medium.picture);
  const used = new Set();
  for (const map of lonely) {
    map.picture = pictures.find((picture) => stem(picture) === stem(map)) ??
      (pictures.length === 1 ? pictures[0] : null);
    if (map.picture) used.add(map.picture);
  }
  return media.filter((medium) => !used.has(medium));
}
