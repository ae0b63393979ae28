// The page: which model, which conversation, and who does what.

import { ApiError, models as fetchModels } from "./api.js";
import { announce } from "./announce.js";
import { readArchive, writeArchive } from "./archive.js";
import { alignersOf, ask } from "./ask.js";
import { Bar } from "./bar.js";
import { capture } from "./capture.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { newConversation, newTurn } from "./conversation.js";
import { confirmed } from "./dialog.js";
import { icon } from "./dom.js";
import { showEmpty } from "./empty.js";
import { editExamples } from "./examples.js";
import { History } from "./history.js";
import { openSettings, openShortcuts, showUnavailable } from "./panels.js";
import { change, settings, showTheme } from "./settings.js";
import { listenToKeys } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";

const $ = (id) => document.getElementById(id);
const narrow = window.matchMedia("(max-width: 52rem)");

class App {
  async start() {
    this.history = await History.open();
    this.models = [];
    this.model = null;
    this.conversation = newConversation();
    this.deleted = new Set();  // ids
    this.running = null;  // the AbortController of an answer that is under way
    this.bar = new Bar($("bar"), $("choices"), this);
    this.sidebar = new Sidebar($("sidebar"), this);
    this.chat = new Chat($("log"), $("scroller"), {
      model: () => this.model, edit: (turn, text) => this.askAgain(turn, text), again: (turn) => this.askAgain(turn, turn.text),
    });
    this.composer = new Composer($("composer"), {
      ask: (text, media) => this.ask(newTurn(text, media)), stop: () => this.stop(), fail: (message) => this.fail(message),
      editLast: () => this.chat.editLast(),
      capture: (kind) => capture(kind).catch((error) => { this.fail(error.message); return null; }),
    });
    $("composer").querySelector(".attach").append(icon("plus"));
    $("shade").addEventListener("click", () => this.close());
    this.showSidebar(settings.sidebar && !narrow.matches);
    listenToKeys(this);
    window.addEventListener("focus", () => this.refresh());
    await this.connect();
    await this.listChats();
  }

  async connect() {
    try {
      this.models = await fetchModels();
      if (this.models.length === 0) throw new ApiError("The server has no model.", 0);
    } catch (error) {
      const wantsKey = error instanceof ApiError && (error.status === 401 || error.status === 403);
      $("composer").hidden = true;
      showUnavailable($("empty"), error.message, wantsKey, () => this.connect());
      return;
    }
    $("composer").hidden = false;
    this.useModel(this.models.find((model) => model.id === this.conversation.model) ?? this.models[0]);
    this.composer.focus();
  }

  // Aligners come and go while a server runs.
  async refresh() {
    if (!this.model) return;
    const models = await fetchModels().catch(() => []);
    const model = models.find(({ id }) => id === this.model.id);
    if (!model) return;
    Object.assign(this, { models, model });
    this.bar.show();
  }

  useModel(model) {
    this.model = model;
    this.conversation.model = model.id;
    this.composer.setModel(model);
    this.showConversation();
  }

  showConversation() {
    this.chat.show(this.conversation);
    this.showState();
  }

  // All but the words themselves.
  showState() {
    const isEmpty = this.conversation.turns.length === 0;
    $("empty").hidden = !isEmpty;
    if (isEmpty) showEmpty($("empty"), this.model, {
      ask: async (kind, question) => {
        await this.composer.addSample(kind);
        this.composer.write(question);
      },
      attach: () => this.composer.openMenu(true), examples: () => this.examples(),
    });
    this.bar.show();
    this.composer.setRunning(this.running !== null);
    this.chat.setRunning(this.running !== null);
  }

  // Asks `turn` as the last one of the conversation.
  async ask(turn) {
    if (this.running) return;
    this.fail("");
    const conversation = this.conversation, running = new AbortController();
    this.running = running;
    conversation.turns.push(turn);
    this.chat.add(turn);
    this.showState();
    await ask(conversation, turn, this.aligners(), settings, running.signal,
              (answer, isRunning) => { if (conversation === this.conversation) this.chat.update(turn, answer, isRunning); });
    if (this.running === running) this.running = null;
    this.showState();
    await this.save(conversation);
  }

  // What was asked from `turn` on is replaced.
  askAgain(turn, text) {
    if (this.running) return;
    const at = this.conversation.turns.indexOf(turn);
    this.conversation.turns.length = at;
    this.chat.cutFrom(turn);
    this.composer.focus();
    this.ask(newTurn(text, turn.media));
  }

  stop() {
    this.running?.abort();
  }

  fail(message) {
    $("trouble").textContent = message;
    $("trouble").hidden = message === "";
  }

  async save(conversation) {
    if (this.deleted.has(conversation.id)) return;  // while its answer was under way
    conversation.updated = Date.now();
    try {
      const gone = await this.history.save(conversation);
      if (gone.length > 0) announce(`${gone.length} old chats made room.`);
    } catch (error) {
      this.fail(`This chat could not be kept in the browser: ${error.message}`);
    }
    await this.listChats();
  }

  async listChats() {
    this.sidebar.show(await this.history.list(), this.conversation.id, this.history.kept);
  }

  begin() {
    this.leave(newConversation(this.model?.id));
  }

  async open(id) {
    const conversation = await this.history.load(id);
    if (conversation) this.leave(conversation);
  }

  // To another conversation; an answer under way is stopped and kept as far as it came.
  leave(conversation) {
    this.stop();
    this.running = null;
    this.conversation = conversation;
    this.fail("");
    const model = this.models.find((one) => one.id === conversation.model) ?? this.model;
    if (model) this.useModel(model);
    if (narrow.matches) this.showSidebar(false);
    this.listChats();
    this.composer.focus();
  }

  async remove(id) {
    this.deleted.add(id);
    await this.history.remove(id);
    announce("Chat deleted.");
    if (id === this.conversation.id) return this.begin();
    await this.listChats();
    $("sidebar").querySelector(".begin").focus();
  }

  async clear() {
    if (!await confirmed("Delete all chats?", "They are in this browser alone and cannot be brought back.", "Delete all")) return;
    this.deleted.add(this.conversation.id);
    await this.history.clear();
    this.begin();
  }

  async exportAll() {
    const records = await this.history.list();
    const all = await Promise.all(records.map((record) => this.history.load(record.id)));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await writeArchive(all)], { type: "application/json" }));
    link.download = `isthmus-chats-${new Date().toISOString().slice(0, 10)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  async importFrom(file) {
    try {
      const conversations = readArchive(await file.text());
      for (const conversation of conversations) await this.history.save(conversation);
      announce(`${conversations.length} chats imported.`);
    } catch (error) {
      this.fail(error.message);
    }
    await this.listChats();
  }

  async examples() {
    await editExamples(this.conversation, this.model,
                       { get: () => settings.template, set: (template) => change({ template }) }, (message) => this.fail(message));
    this.showConversation();
    this.composer.focus();
    if (this.conversation.turns.length > 0) await this.save(this.conversation);
  }

  aligners() {
    return alignersOf(settings, this.model, this.models);
  }

  settings() {
    return openSettings(this.model ?? {}, () => this.connect());
  }

  shortcuts() {
    return openShortcuts();
  }

  theme() {
    const isDark = getComputedStyle(document.documentElement).getPropertyValue("--is-dark").trim() === "1";
    change({ theme: isDark ? "light" : "dark" });
    showTheme();
  }

  showSidebar(shown) {
    document.documentElement.classList.toggle("sidebar", shown);
    $("sidebar").inert = !shown;
    $("shade").hidden = !(shown && narrow.matches);
    if (!narrow.matches) change({ sidebar: shown });
  }

  toggleSidebar() {
    const shown = !document.documentElement.classList.contains("sidebar");
    this.showSidebar(shown);
    if (shown) $("sidebar").querySelector(".begin").focus();
    else this.bar.menu.focus();
  }

  close() {
    this.showSidebar(false);
    this.bar.menu.focus();
  }
}

new App().start();
