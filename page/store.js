// Keeps conversations in the browser's IndexedDB, merged with what another window wrote meanwhile.
// Where the browser allows no storage, they live as long as the page (`lasting` is false).

import { checkedConversation, merge } from './conversation.js';

const kName = 'issun';
const kSchema = 1;

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const finished = (transaction) => new Promise((resolve, reject) => {
  transaction.oncomplete = () => resolve();
  transaction.onabort = transaction.onerror = () => reject(transaction.error);
});

const summaryOf = ({ id, title, changed }) => ({ id, title, changed });
const byChange = (a, b) => b.changed - a.changed;

class DatabaseStore {
  lasting = true;
  #database;

  constructor(database) {
    this.#database = database;
    // A page with a newer schema wants to open: let it.
    database.onversionchange = () => database.close();
  }

  #begin(mode) {
    return this.#database.transaction(['conversations', 'summaries'], mode);
  }

  async list() {
    const all = await done(this.#begin('readonly').objectStore('summaries').getAll());
    return all.sort(byChange);
  }

  async get(id) {
    return checkedConversation(await done(this.#begin('readonly').objectStore('conversations').get(id)));
  }

  async all() {
    const all = await done(this.#begin('readonly').objectStore('conversations').getAll());
    return all.map(checkedConversation).filter(Boolean).sort(byChange);
  }

  async put(conversation) {
    const transaction = this.#begin('readwrite');
    const ended = finished(transaction);
    const conversations = transaction.objectStore('conversations');
    const request = conversations.get(conversation.id);
    request.onsuccess = () => {
      const whole = merge(conversation, checkedConversation(request.result));
      conversations.put(whole);
      transaction.objectStore('summaries').put(summaryOf(whole));
    };
    await ended;
  }

  async remove(id) {
    const transaction = this.#begin('readwrite');
    transaction.objectStore('conversations').delete(id);
    transaction.objectStore('summaries').delete(id);
    await finished(transaction);
  }

  async clear() {
    const transaction = this.#begin('readwrite');
    transaction.objectStore('conversations').clear();
    transaction.objectStore('summaries').clear();
    await finished(transaction);
  }
}

export class MemoryStore {
  lasting = false;
  #table = new Map();

  async list() {
    return [...this.#table.values()].map(summaryOf).sort(byChange);
  }

  async get(id) {
    return structuredClone(this.#table.get(id) || null);
  }

  async all() {
    return structuredClone([...this.#table.values()].sort(byChange));
  }

  async put(conversation) {
    const stored = this.#table.get(conversation.id);
    this.#table.set(conversation.id, structuredClone(merge(conversation, stored)));
  }

  async remove(id) {
    this.#table.delete(id);
  }

  async clear() {
    this.#table.clear();
  }
}

export async function openStore() {
  try {
    const request = indexedDB.open(kName, kSchema);
    request.onupgradeneeded = () => {
      for (const name of ['conversations', 'summaries']) {
        request.result.createObjectStore(name, { keyPath: 'id' });
      }
    };
    return new DatabaseStore(await done(request));
  } catch {
    return new MemoryStore();
  }
}

// What changed since the last write to the database, kept at once when the page goes away: the
// database might not finish in time.
const kRescue = 'issun.rescue';

/** Takes the place of what was rescued before; an empty list removes it. */
export function rescue(conversations) {
  try {
    if (conversations.length) localStorage.setItem(kRescue, JSON.stringify(conversations));
    else localStorage.removeItem(kRescue);
  } catch {
    // Full or forbidden: what the last write held is what remains.
  }
}

/** Brings what `rescue` kept into the store. */
export async function restoreRescued(store) {
  let list = [];
  try {
    list = JSON.parse(localStorage.getItem(kRescue)) || [];
    localStorage.removeItem(kRescue);
  } catch {
    return;
  }
  for (const conversation of Array.isArray(list) ? list.map(checkedConversation) : []) {
    if (conversation) await store.put(conversation);
  }
}

const kDraft = 'issun.draft.';

/** What stands in a composer and was not sent, by conversation id ('' for a new one). */
export const drafts = {
  get(id) {
    try {
      return localStorage.getItem(kDraft + id) || '';
    } catch {
      return '';
    }
  },
  set(id, text) {
    try {
      if (text) localStorage.setItem(kDraft + id, text);
      else localStorage.removeItem(kDraft + id);
    } catch {
      // A draft that cannot be kept stays in the composer.
    }
  },
  clear() {
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(kDraft)) localStorage.removeItem(key);
      }
    } catch {
      // There is none.
    }
  },
};
