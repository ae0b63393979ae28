// Elements without markup strings: what a model, a file or a server says can only ever become text.

const kSvg = "http://www.w3.org/2000/svg";

// h("button", {class: "send", onclick: f, disabled: true}, "Send", icon("send"))
// Keys that begin with "on" are listeners, booleans are present or absent, everything else is an
// attribute. Children are nodes, text, lists of them, or nothing (null, undefined, false).
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...flat(children));
  return element;
}

export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false);
}

// Strokes on a grid of 24 × 24.
const kStrokes = {
  send: "M12 20V5M5.5 11.5 12 5l6.5 6.5",
  stop: "M7.5 7.5h9v9h-9z",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  menu: "M4 7h16M4 12h16M4 17h10",
  settings: "M4 8h9M17 8h3M4 16h3M11 16h9M15 5.5v5M9 13.5v5",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1 1M17.4 17.4l1 1M5.6 18.4l1-1M17.4 6.6l1-1",
  moon: "M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7z",
  auto: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 4v16M12 8h5M12 12h8M12 16h5",
  edit: "M5 19l1-4L16.5 4.5l3 3L9 18l-4 1M14 7l3 3",
  again: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4.5h-4.5",
  copy: "M9 9h10v10H9zM15 9V5H5v10h4",
  trash: "M5 7h14M10 7V5h4v2M7 7l.8 12h8.4L17 7M10.5 11v5M13.5 11v5",
  help: "M9 9.2a3 3 0 1 1 4.4 2.7c-.9.5-1.4 1-1.4 2.1M12 17.5v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  down: "M12 5v14M6 13l6 6 6-6",
  up: "M12 19V5M6 11l6-6 6 6",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 8.5v.1",
  video: "M4 6h11v12H4zM15 10.5l5-3v9l-5-3",
  audio: "M4 10v4M8 6.5v11M12 9v6M16 4.5v15M20 10v4",
  points: "M6 17v.1M10 20v.1M12 12v.1M15 16v.1M18 19v.1M8 8v.1M17 9v.1M12 4v.1M20 14v.1M5 12v.1",
  depth: "M4 18h16M6 14h12M8 10h8M10 6h4",
  normal: "M4 19h16M7 19V9M4.5 11.5 7 9l2.5 2.5M17 19l-4-8M12.6 14.2l.4-3.2 2.8 1.5",
  imu: "M3 12h3l2-6 3 12 3-9 2 6 1.5-3H21",
  fmri: "M5 19v-5M9 19V8M13 19v-8M17 19V5M21 19v-7",
  mic: "M12 4a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0v-5A2.5 2.5 0 0 1 12 4M6.5 11.5a5.5 5.5 0 0 0 11 0M12 17v3",
  camera: "M4 8h3.5L9 5.5h6L16.5 8H20v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7",
  file: "M7 4h7l4 4v12H7zM14 4v4h4",
  examples: "M4 5h6v6H4zM13 6h7M13 9h5M4 14h6v6H4zM13 15h7M13 18h5",
  compare: "M4 5h7v14H4zM13 5h7v14h-7z",
  spark: "M12 4l1.8 5.2L19 11l-5.2 1.8L12 18l-1.8-5.2L5 11l5.2-1.8z",
  export: "M12 15V4M8 8l4-4 4 4M5 14v6h14v-6",
  import: "M12 4v11M8 11l4 4 4-4M5 14v6h14v-6",
};

export function icon(name) {
  const svg = document.createElementNS(kSvg, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", name === "points" ? "icon dots" : "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(kSvg, "path");
  path.setAttribute("d", kStrokes[name] ?? kStrokes.file);
  svg.append(path);
  return svg;
}

// A button that shows an icon and says its name to those who do not see it.
export function iconButton(name, label, onclick, attributes = {}) {
  return h("button", { type: "button", class: "quiet", "aria-label": label, title: label, onclick,
                       ...attributes }, icon(name));
}
