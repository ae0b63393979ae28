// Windows for the microphone and the camera.

import { fill, h } from "./dom.js";
import { openDialog } from "./dialog.js";
import { asWav, record, stillOf } from "./media/record.js";

// "audio": a sound; "image": a still; "video": a still or a film. Resolves to a File, or null.
export async function capture(kind) {
  let recording;
  try {
    recording = kind === "audio" ? await record({ audio: true }) : await record({ video: { facingMode: "environment" }, audio: false });
  } catch (error) {
    throw new Error(error.name === "NotAllowedError"
      ? `The browser was not allowed to use the ${kind === "audio" ? "microphone" : "camera"}.`
      : error.name === "NotFoundError" ? `There is no ${kind === "audio" ? "microphone" : "camera"}.` : error.message);
  }
  let file = null;
  await openDialog(kind === "audio" ? "Microphone" : "Camera", (close) => kind === "audio"
    ? soundStage(recording, (result) => { file = result; close(); })
    : cameraStage(recording, kind, (result) => { file = result; close(); }),
  { onclose: recording.leave });
  return file;
}

function soundStage(recording, done) {
  const begun = Date.now(), clock = h("output", { class: "clock" }, "0.0 s");
  const timer = setInterval(() => fill(clock, `${((Date.now() - begun) / 1000).toFixed(1)} s`), 100);
  const stop = h("button", { type: "button", class: "chief", autofocus: true, onclick: async () => {
    clearInterval(timer);
    stop.disabled = true;
    done(await asWav(await recording.stop()));
  } }, "Use the recording");
  return [h("p", { class: "recording" }, h("i"), "Recording ", clock),
          h("p", { class: "hint" }, "Models hear about the first ten seconds."), h("div", { class: "choice" }, stop)];
}

function cameraStage(recording, kind, done) {
  const video = h("video", { autoplay: true, playsinline: true, "aria-label": "What the camera sees" });
  video.muted = true;
  video.srcObject = recording.stream;
  const still = h("button", { type: "button", class: "chief", autofocus: true,
                              onclick: async () => done(await stillOf(video)) }, "Take a picture");
  if (kind !== "video") return [video, h("div", { class: "choice" }, still)];
  // The recorder runs since the window opened: a film ends when this is pressed.
  const film = h("button", { type: "button", class: "plain", onclick: async () => {
    film.disabled = true;
    const blob = await recording.stop();
    done(new File([blob], "camera.webm", { type: blob.type }));
  } }, "Use the film so far");
  return [video, h("div", { class: "choice" }, film, still)];
}
