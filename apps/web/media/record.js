// The microphone and the camera, where the browser lends them.

import { samplesOf } from "./audio_view.js";
import { kSampleRate } from "./mel.js";
import { writeWav } from "./wav.js";

// Why there is no microphone or camera, or nothing where there may be one.
export function whyNoDevices() {
  if (navigator.mediaDevices?.getUserMedia) return "";
  return window.isSecureContext ? "This browser lends no microphone or camera."
    : "Browsers lend microphone and camera only to pages over https or from this machine.";
}

// {stream, stop(): Promise<Blob>, leave()} of what is recorded from now on. Throws what the browser
// throws.
export async function record(wanted) {
  const stream = await navigator.mediaDevices.getUserMedia(wanted);
  const recorder = new MediaRecorder(stream), pieces = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  const ended = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.start();
  const leave = () => stream.getTracks().forEach((track) => track.stop());
  return {
    stream, leave,
    async stop() {
      recorder.stop();
      await ended;
      leave();
      return new Blob(pieces, { type: recorder.mimeType.split(";")[0] });
    },
  };
}

// What browsers record is read by few programs; WAV is read by all.
export async function asWav(blob) {
  return new File([writeWav(await samplesOf(blob), kSampleRate)], "recording.wav", { type: "audio/wav" });
}

export function stillOf(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob({ type: "image/png" }).then((blob) => new File([blob], "camera.png", { type: "image/png" }));
}
