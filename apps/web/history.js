// Conversations kept in this browser (IndexedDB), media apart from words: saving an answer does not
// write its pictures again. The oldest go when the media outgrow their bound.

import { mediaOf } from "./conversation.js";

export const kMostBytes = 256 * 2 ** 20;

export class History {
  // Without a database (private windows, full disks) nothing is kept, and `kept` says so.
  static async open(name = "isthmus") {
    const history = new History();
    try {
      history.database = await opened(name);
    } catch {
      history.database = null;
    }
    return history;
  }

  get kept() {
    return this.database !== null;
  }

  // [{id, title, model, updated, bytes, turns}], the latest first.
  async list() {
    if (!this.kept) return [];
    const all = await this.run("conversations", "readonly", (store) => store.getAll());
    return all.sort((a, b) => b.updated - a.updated);
  }

  async load(id) {
    const record = await this.run("conversations", "readonly", (store) => store.get(id));
    if (!record) return null;
    const blobs = new Map();
    for (const mediumId of record.media)
      blobs.set(mediumId, await this.run("media", "readonly", (store) => store.get(mediumId)));
    const restored = (medium) => medium && { ...medium, blob: blobs.get(medium.id) ?? new Blob([]), picture: restored(medium.picture) };
    const items = (list) => list.map((item) => ({ ...item, media: item.media.map(restored) }));
    const { media, bytes, ...conversation } = record;
    return { ...conversation, examples: items(conversation.examples), turns: items(conversation.turns) };
  }

  // Resolves to the ids of older conversations that had to go.
  async save(conversation) {
    if (!this.kept) return [];
    const stripped = (medium) => medium && { ...medium, blob: undefined, picture: stripped(medium.picture) };
    const items = (list) => list.map((item) => ({ ...item, media: item.media.map(stripped) }));
    const media = mediaOf(conversation);
    const before = await this.run("conversations", "readonly", (store) => store.get(conversation.id));
    const known = new Set(before?.media ?? []), needed = new Set(media.map((medium) => medium.id));
    const record = { ...conversation, examples: items(conversation.examples), turns: items(conversation.turns),
                     media: [...needed], bytes: media.reduce((sum, medium) => sum + medium.blob.size, 0) };
    const transaction = this.database.transaction(["conversations", "media"], "readwrite");
    const blobs = transaction.objectStore("media");
    for (const medium of media) if (!known.has(medium.id)) blobs.put(medium.blob, medium.id);
    for (const id of known) if (!needed.has(id)) blobs.delete(id);
    transaction.objectStore("conversations").put(record);
    await finished(transaction);
    return this.makeRoom(conversation.id);
  }

  async makeRoom(keptId) {
    const all = await this.list(), gone = [];
    let bytes = all.reduce((sum, record) => sum + record.bytes, 0);
    for (const record of all.reverse()) {
      if (bytes <= kMostBytes) break;
      if (record.id === keptId) continue;
      await this.remove(record.id);
      bytes -= record.bytes;
      gone.push(record.id);
    }
    return gone;
  }

  async remove(id) {
    const record = await this.run("conversations", "readonly", (store) => store.get(id));
    if (!record) return;
    const transaction = this.database.transaction(["conversations", "media"], "readwrite");
    for (const mediumId of record.media) transaction.objectStore("media").delete(mediumId);
    transaction.objectStore("conversations").delete(id);
    await finished(transaction);
  }

  async clear() {
    if (!this.kept) return;
    const transaction = this.database.transaction(["conversations", "media"], "readwrite");
    transaction.objectStore("media").clear();
    transaction.objectStore("conversations").clear();
    await finished(transaction);
  }

  run(store, mode, action) {
    return answered(action(this.database.transaction(store, mode).objectStore(store)));
  }
}

function opened(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("conversations", { keyPath: "id" });
    request.result.createObjectStore("media");
  };
  return answered(request);
}

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    transaction.onerror = () => reject(transaction.error);
  });
}
