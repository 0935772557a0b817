// Keeps conversations: when they are written, what other windows wrote, removal, export and import.

import * as talk from './conversation.js';
import { download } from './dom.js';
import { ask } from './panel.js';
import { drafts, rescue, restoreRescued } from './store.js';
import { number, t } from './text.js';

const kSaveMs = 1000;  // between writes while an answer grows

export class Keeper {
  #timers = new Map();   // by conversation id: the next write
  #removed = new Set();  // ids: an answer that ends late must not bring its conversation back
  #rescued = false;
  #channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('issun') : null;

  /** `page`: conversation, openId, generations, show(), showList(), openNew(), toast(text). */
  constructor(store, page) {
    Object.assign(this, { store, page });
    const input = document.getElementById('import-input');
    input.addEventListener('change', () => this.#import(input));
    addEventListener('pagehide', () => this.#keepNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.#keepNow();
    });
    if (this.#channel) {
      this.#channel.addEventListener('message', ({ data }) => this.#heard(data));
    }
  }

  /** What an earlier page could not write any more comes first. */
  start() {
    return restoreRescued(this.store);
  }

  saveSoon(conversation) {
    if (this.#timers.has(conversation.id)) return;
    const timer = setTimeout(() => this.save(conversation), kSaveMs);
    this.#timers.set(conversation.id, timer);
  }

  async save(conversation) {
    clearTimeout(this.#timers.get(conversation.id));
    this.#timers.delete(conversation.id);
    if (this.#removed.has(conversation.id)) return;
    try {
      await this.store.put(conversation);
      if (this.#rescued && !this.page.generations.size) rescue([]);
      if (this.#channel) this.#channel.postMessage({ kind: 'changed', id: conversation.id });
    } catch (error) {
      this.page.toast(t('saveFailed', { message: error.message }));
    }
    this.page.showList();
  }

  /** The page may go away: what is growing is kept at once. */
  #keepNow() {
    const growing = [...this.page.generations.values()].map(({ conversation }) => conversation);
    this.#rescued = growing.length > 0;
    if (this.#rescued) rescue(growing);
  }

  /** Another window wrote: what it has and this one lacks comes in. */
  async #heard({ kind, id }) {
    if (kind === 'changed') this.#removed.delete(id);
    else this.#leave(id);
    if (kind === 'changed' && id === this.page.openId) {
      const stored = await this.store.get(id);
      if (!stored || id !== this.page.openId) return;
      const running = this.page.generations.get(id);
      for (const node of Object.values(stored.nodes)) {
        const mine = this.page.conversation.nodes[node.id];
        if (!mine) this.page.conversation.nodes[node.id] = node;
        else if (node.changed > mine.changed && !(running && running.node === mine)) {
          Object.assign(mine, node);
        }
      }
      if (stored.changed > this.page.conversation.changed) {
        const { title, titled, system, changed } = stored;
        Object.assign(this.page.conversation, { title, titled, system, changed });
        for (const [parent, child] of Object.entries(stored.selected)) {
          this.page.conversation.selected[parent] ??= child;
        }
      }
      this.page.show();
    } else if (kind === 'removed' && (id === this.page.openId || id === '')) {
      this.page.openNew();
    } else {
      this.page.showList();
    }
  }

  async remove({ id, title }) {
    const running = this.page.generations.get(id);
    const conversation = running ? running.conversation : await this.store.get(id);
    await this.#forget(id);
    this.page.toast(t('deleted', { title: title || t('untitled') }), t('undo'), async () => {
      this.#removed.delete(id);
      await this.save(conversation);
      location.hash = `#/${id}`;
    });
  }

  /** Removes one conversation, or all ('' as id). */
  async #forget(id) {
    this.#leave(id);
    await (id ? this.store.remove(id) : this.store.clear());
    if (this.#channel) this.#channel.postMessage({ kind: 'removed', id });
    if (!id || id === this.page.openId) this.page.openNew();
    else this.page.showList();
  }

  /** Answers of what is removed end, and are not written any more. */
  #leave(id) {
    const { generations, openId } = this.page;
    for (const gone of id ? [id] : [openId, ...generations.keys()]) {
      const running = generations.get(gone);
      if (running) running.stop();
      this.#removed.add(gone);
    }
    if (id) drafts.set(id, '');
    else drafts.clear();
    rescue([]);
  }

  async exportAll() {
    download('issun-conversations.json', talk.exportText(await this.store.all()));
  }

  exportThis() {
    const name = this.page.conversation.title.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 40);
    download(`issun-${name}.json`, talk.exportText([this.page.conversation]));
  }

  importFile() {
    document.getElementById('settings').close();
    document.getElementById('import-input').click();
  }

  async #import(input) {
    const [file] = input.files;
    try {
      const conversations = talk.importText(await file.text());
      for (const conversation of conversations) {
        this.#removed.delete(conversation.id);
        await this.save(conversation);
      }
      this.page.toast(t('imported', { n: number(conversations.length) }));
    } catch (error) {
      this.page.toast(error.message.startsWith('import') ? t(error.message) : error.message);
    }
    input.value = '';
  }

  async deleteAll() {
    if (!(await ask(t('deleteAllSure'), t('deleteAllYes')))) return;
    await this.#forget('');
    document.getElementById('settings').close();
  }
}
