// Where a question is written and media are attached.

import { h, icon } from "./dom.js";
import { mediumOf } from "./media/attach.js";
import { acceptOf, kindInfo } from "./media/kinds.js";
import { kSampled, sampleOf } from "./media/samples.js";
import { whyNoDevices } from "./media/record.js";
import { MediaTray } from "./tray.js";

export class Composer {
  // `does`: {ask(text, media), stop(), fail(message), editLast(), capture(kind): Promise<File | null>}
  constructor(root, does) {
    Object.assign(this, { root, does, model: null, running: false });
    this.text = root.querySelector("textarea");
    this.send = root.querySelector(".send");
    this.attach = root.querySelector(".attach");
    this.menu = root.querySelector(".menu");
    this.picker = root.querySelector("input[type=file]");
    this.tray = new MediaTray(root.querySelector(".tray"), () => this.refresh());
    this.listen();
  }

  setModel(model) {
    this.model = model;
    this.tray.setModel(model);
    this.picker.accept = acceptOf(model.modalities);
    this.attach.hidden = model.modalities.length === 0;
    this.text.placeholder = model.modalities.length === 0 ? "Write something to go on from"
      : model.modalities.length === 1 ? "Ask about a picture" : "Show something and ask about it";
    this.refresh();
  }

  setRunning(running) {
    this.running = running;
    this.refresh();
  }

  focus() {
    this.text.focus();
  }

  write(text) {
    this.text.value = text;
    this.grow();
    this.refresh();
    this.focus();
  }

  async addFiles(files) {
    const media = [];
    this.does.fail("");
    for (const file of files) {
      try {
        media.push(await mediumOf(file, this.model));
      } catch (error) {
        this.does.fail(error.message);
      }
    }
    this.tray.add(media);
    this.focus();
  }

  async addSample(kind) {
    const { blob, name, companions } = await sampleOf(kind, this.model);
    const files = [...companions, { blob, name }].map((one) => new File([one.blob], one.name, { type: one.blob.type }));
    const media = await Promise.all(files.map((file) => mediumOf(file, this.model)));
    media.at(-1).kind = kind;
    this.tray.add(media);
  }

  // What is complete enough to be asked.
  get ready() {
    return !this.running && this.model !== null && (this.text.value.trim() !== "" || this.tray.media.length > 0);
  }

  submit() {
    if (!this.ready) return;
    const media = this.tray.take(), text = this.text.value.trim();
    this.text.value = "";
    this.grow();
    this.does.ask(text, media);
    this.refresh();
  }

  refresh() {
    this.send.replaceChildren(icon(this.running ? "stop" : "send"));
    const label = this.running ? "Stop the answer" : "Ask";
    this.send.setAttribute("aria-label", label);
    this.send.title = label;
    this.send.disabled = !this.running && !this.ready;
  }

  // As high as its text, up to a third of the window.
  grow() {
    this.text.style.height = "auto";
    this.text.style.height = Math.min(this.text.scrollHeight, window.innerHeight / 3) + "px";
  }

  listen() {
    const { root, text } = this;
    root.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) this.does.stop();
      else this.submit();
    });
    text.addEventListener("input", () => { this.grow(); this.refresh(); });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.submit();
      }
      if (event.key === "ArrowUp" && text.value === "" && this.tray.media.length === 0) {
        event.preventDefault();
        this.does.editLast();
      }
    });
    text.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      this.addFiles([...event.clipboardData.files]);
    });
    this.picker.addEventListener("change", () => {
      this.addFiles([...this.picker.files]);
      this.picker.value = "";
    });
    this.attach.addEventListener("click", () => this.openMenu(this.menu.hidden));
    document.addEventListener("pointerdown", (event) => {
      if (!this.menu.hidden && !this.menu.contains(event.target) && !this.attach.contains(event.target)) this.openMenu(false);
    });
    this.menu.addEventListener("keydown", (event) => this.moveInMenu(event));
    this.listenToDrops();
  }

  listenToDrops() {
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    const show = (shown) => document.body.classList.toggle("dropping", shown);
    window.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      show(true);
    });
    window.addEventListener("dragleave", (event) => { if (event.relatedTarget === null) show(false); });
    window.addEventListener("drop", (event) => {
      show(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.addFiles([...event.dataTransfer.files]);
    });
  }

  openMenu(open) {
    this.menu.hidden = !open;
    this.attach.setAttribute("aria-expanded", String(open));
    if (!open) return;
    const takes = (kind) => this.model.modalities.includes(kind);
    const entry = (name, label, action, note = "") => h("button", {
      type: "button", role: "menuitem", disabled: action === null, title: note || null,
      onclick: () => { this.openMenu(false); action(); },
    }, icon(name), h("span", {}, label));
    const why = whyNoDevices();
    const capture = (kind) => (why ? null : async () => {
      const file = await this.does.capture(kind);
      if (file) this.addFiles([file]);
      this.focus();
    });
    const samples = kSampled.filter(takes);
    this.menu.replaceChildren(
      entry("file", "From a file", () => this.picker.click()),
      ...(takes("image") || takes("video") ? [entry("camera", "From the camera", capture(takes("video") ? "video" : "image"), why)] : []),
      ...(takes("audio") ? [entry("mic", "From the microphone", capture("audio"), why)] : []),
      ...(samples.length > 0 ? [h("p", { role: "presentation" }, "Samples")] : []),
      ...samples.map((kind) => entry(kindInfo(kind).icon, kindInfo(kind).label, () => this.addSample(kind))));
    this.menu.querySelector("button:not(:disabled)").focus();
  }

  moveInMenu(event) {
    const buttons = [...this.menu.querySelectorAll("button:not(:disabled)")];
    const at = buttons.indexOf(document.activeElement), last = buttons.length - 1;
    const next = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (next !== undefined) buttons[next].focus();
    else if (event.key === "Escape") { this.openMenu(false); this.attach.focus(); }
    else if (event.key === "Tab") this.openMenu(false);
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  }
}
