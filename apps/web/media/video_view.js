// A video as the moments that a model sees of it: five frames, and in each three squares.

import { h } from "../dom.js";
import { addressOf } from "./address.js";
import { makeCanvas } from "./canvas.js";

const kClips = 5, kPatience = 8000;

export async function videoView(blob, { height, label, start, end, full }) {
  const address = addressOf(blob);
  const video = h("video", { src: address, muted: true, playsinline: true, preload: "auto" });
  video.muted = true;
  await event(video, "loadeddata");
  const length = Number.isFinite(video.duration) ? video.duration : await lengthOf(video);
  const from = start ?? 0, to = Math.min(end ?? length, length);
  // Narrow enough that all moments stand beside each other.
  const width = Math.round(Math.min(full ? 126 : 40, height * video.videoWidth / video.videoHeight));
  const frameHeight = Math.max(16, Math.round(width * video.videoHeight / video.videoWidth));
  const frames = h("div", { class: "frames", role: "img", "aria-label": label });
  for (let clip = 0; clip < kClips; clip += 1) {
    const time = from + clip / kClips * Math.max(0, to - from - 1);
    if (Math.abs(video.currentTime - time) > 1e-3) {
      video.currentTime = time;
      await event(video, "seeked");
    }
    const { canvas, context } = makeCanvas(width, frameHeight, `at ${time.toFixed(1)} s`);
    context.drawImage(video, 0, 0, width, frameHeight);
    if (full) outlineSquares(context, width, frameHeight);
    frames.append(canvas);
  }
  if (full) {
    const player = h("details", { class: "player" }, h("summary", {}, "Play"),
                     h("video", { src: address, controls: true, playsinline: true, preload: "metadata" }));
    return { element: h("div", {}, frames, player),
             note: `${(to - from).toFixed(1)} s; ${kClips} moments, 3 squares of each` };
  }
  return { element: frames, note: `${(to - from).toFixed(1)} s` };
}

function outlineSquares(context, width, height) {
  const side = Math.min(width, height);
  context.strokeStyle = "rgb(255 255 255 / 55%)";
  for (const share of [0, 0.5, 1])
    context.strokeRect((width - side) * share + 0.5, (height - side) * share + 0.5, side - 1, side - 1);
}

// Recordings of browsers do not say how long they are until their end was looked for.
async function lengthOf(video) {
  video.currentTime = Number.MAX_SAFE_INTEGER;
  await event(video, "seeked");
  return Number.isFinite(video.duration) ? video.duration : video.currentTime;
}

function event(video, name) {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error("the browser does not show this video"));
    setTimeout(fail, kPatience);  // without effect once the promise is settled
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", fail, { once: true });
  });
}
