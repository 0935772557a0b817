// The page: which conversation is open, what is being answered, and what each action does.

import { Composer } from './composer.js';
import * as talk from './conversation.js';
import { download, fillTexts, isComposing, make } from './dom.js';
import { Generation } from './generation.js';
import { ask, SettingsPanel } from './panel.js';
import { Follower } from './scroll.js';
import { Server } from './server.js';
import { apiKey, loadSettings, requestFields, saveSettings } from './settings.js';
import { Sidebar } from './sidebar.js';
import { drafts, openStore, rescue, restoreRescued } from './store.js';
import { number, setLanguage, t } from './text.js';
import { MessageList } from './view.js';

const kSaveMs = 1000;    // between writes while an answer grows
const kToastMs = 10000;

const byId = (id) => document.getElementById(id);

class Page {
  settings = loadSettings();
  conversation = null;      // the open one; null: a new one that has no message yet
  newSystem = null;         // system prompt of a new one, when it was changed
  generations = new Map();  // by conversation id: answers on their way
  saveTimers = new Map();   // by conversation id
  removed = new Set();      // ids: an answer that ends late must not bring its conversation back
  drawing = 0;

  constructor(store) {
    this.store = store;
    this.setLanguage();
    this.setTheme();
    this.server = new Server(this);
    this.composer = new Composer({
      send: (text, files) => this.send(text, files),
      stop: () => this.stop(),
      editLast: () => this.editLast(),
      changed: (text) => drafts.set(this.openId, text),
      say: (text) => this.toast(text),
    });
    this.messages = new MessageList(byId('messages'), {
      edit: (node, text) => this.edit(node, text),
      regenerate: (node) => this.regenerate(node),
      retry: (node) => this.retry(node),
      step: (node, by) => this.step(node, by),
      openSettings: (focus) => this.openSettings(focus),
      focusComposer: () => this.composer.focus(),
    });
    this.sidebar = new Sidebar({ remove: (summary) => this.remove(summary) });
    this.panel = new SettingsPanel(this);
    this.follower = new Follower(byId('scroller'), byId('to-end'));
    this.listen();
  }

  get openId() {
    return this.conversation ? this.conversation.id : '';
  }

  get defaults() {
    return this.server.defaults;
  }

  get system() {
    return this.conversation ? this.conversation.system : this.newSystem ?? this.settings.system;
  }

  listen() {
    byId('new').addEventListener('click', () => this.openNew());
    byId('theme').addEventListener('click', () => this.switchTheme());
    byId('open-settings').addEventListener('click', () => this.openSettings());
    byId('title').addEventListener('change', (event) => this.rename(event.target.value));
    byId('title').addEventListener('keydown', (event) => {
      if (!isComposing(event) && event.key === 'Enter') this.composer.focus();
    });
    byId('model').addEventListener('change', (event) => {
      this.settings.model = event.target.value;
      this.settingsChanged('model');
    });
    byId('import-input').addEventListener('change', (event) => this.import(event.target));
    document.addEventListener('keydown', (event) => this.key(event));
    addEventListener('hashchange', () => this.openAddress());
    addEventListener('pagehide', () => this.keep());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.keep();
    });
    setInterval(() => {
      if (this.generations.has(this.openId)) this.draw();
    }, 1000);
    if (!('BroadcastChannel' in globalThis)) return;
    this.channel = new BroadcastChannel('issun');
    this.channel.addEventListener('message', ({ data }) => this.heard(data));
  }

  async start() {
    await restoreRescued(this.store);
    await this.openAddress();
    if (!this.store.lasting) this.toast(t('storageGone'));
    this.server.connect();
  }

  key(event) {
    if (isComposing(event) || document.querySelector('dialog[open]')) return;
    const writing = event.target.closest('input, textarea, select');
    if (event.key === 'Escape' && this.generations.has(this.openId)) {
      this.stop();
    } else if (event.key.toLowerCase() === 'o' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.openNew();
    } else if (event.key === '/' && !writing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.composer.focus();
    }
  }

  // --- which conversation is open

  openNew() {
    this.sidebar.close();
    if (location.hash) history.pushState(null, '', location.pathname + location.search);
    this.open(null);
  }

  async openAddress() {
    const id = location.hash.slice(2);
    const running = this.generations.get(id);
    const conversation = running ? running.conversation : id ? await this.store.get(id) : null;
    if (id && !conversation) history.replaceState(null, '', location.pathname + location.search);
    this.open(conversation);
  }

  open(conversation) {
    this.conversation = conversation;
    this.newSystem = null;
    this.messages.clear();
    this.composer.text = drafts.get(this.openId);
    this.show();
    this.follower.jump();
    this.composer.focus();
  }

  /** Everything of the open conversation, and the list. */
  show() {
    const { conversation } = this;
    const steps = conversation ? talk.path(conversation) : [];
    const running = this.generations.get(this.openId);
    this.messages.show(steps, (node) => (running && running.node === node ? running : null));
    byId('welcome').hidden = steps.length > 0;
    byId('title').hidden = !conversation;
    byId('title').value = conversation ? conversation.title : '';
    document.title = conversation && conversation.title ? `${conversation.title} – issun` : 'issun';
    this.composer.running = Boolean(running);
    this.follower.grown();
    this.showList();
  }

  async showList() {
    const isRunning = (id) => this.generations.has(id);
    this.sidebar.show(await this.store.list(), { current: this.openId, isRunning });
  }

  /** Draws a growing answer with the next frame. */
  draw() {
    if (this.drawing) return;
    const run = () => {
      this.drawing = 0;
      const running = this.generations.get(this.openId);
      if (!running) return;
      this.messages.update(running.node, running);
      this.follower.grown();
    };
    // A hidden page gets no frames, but its text should be there at once when it is shown again.
    this.drawing = document.hidden ? setTimeout(run, 250) : requestAnimationFrame(run);
  }

  // --- messages

  send(text, files) {
    if (!this.conversation) {
      this.conversation = talk.createConversation(this.system);
      this.newSystem = null;
      history.pushState(null, '', `#/${this.openId}`);
    }
    const steps = talk.path(this.conversation);
    const parent = steps.length ? steps[steps.length - 1].node.id : '';
    this.answer(talk.addNode(this.conversation, parent, 'user', text, files));
  }

  edit(node, text) {
    this.stop();
    const edited = talk.addNode(this.conversation, node.parent, 'user', text, node.files);
    this.answer(edited);
    this.composer.focus();
  }

  editLast() {
    const users = this.conversation
      ? talk.path(this.conversation).filter(({ node }) => node.role === 'user') : [];
    if (users.length) this.messages.edit(users[users.length - 1].node.id);
  }

  regenerate(node) {
    this.answer(this.conversation.nodes[node.parent]);
  }

  /** Nothing was written: the same message tries again. Otherwise what was written is kept. */
  retry(node) {
    if (node.content || node.reasoning) {
      this.regenerate(node);
    } else {
      talk.resetAnswer(node);
      this.run(node);
    }
  }

  step(node, by) {
    talk.selectSibling(this.conversation, node.id, by);
    this.save(this.conversation);
    this.show();
  }

  answer(user) {
    this.run(talk.addNode(this.conversation, user.id, 'assistant', ''));
  }

  async run(node) {
    const { conversation } = this;
    this.stop();
    const body = {
      messages: talk.requestMessages(conversation, node.parent),
      stream: true,
      stream_options: { include_usage: true },
      ...requestFields(this.settings),
    };
    const generation = new Generation({
      conversation, node, body, key: apiKey(),
      onChange: () => {
        this.saveSoon(conversation);
        if (this.conversation === conversation) this.draw();
      },
    });
    this.generations.set(conversation.id, generation);
    this.follower.jump();
    this.save(conversation);
    this.show();
    await generation.run();
    if (this.generations.get(conversation.id) === generation) {
      this.generations.delete(conversation.id);
    }
    this.save(conversation);
    if (this.conversation !== conversation) {
      this.showList();
      return;
    }
    this.show();
    const said = { done: 'answerEnded', stopped: 'answerStopped' }[node.state];
    byId('announcer').textContent = said ? t(said) : '';
    if (node.error && node.error.status === 0) this.server.connect();
  }

  stop() {
    const running = this.generations.get(this.openId);
    if (running) running.stop();
  }

  // --- what is kept

  saveSoon(conversation) {
    if (this.saveTimers.has(conversation.id)) return;
    const timer = setTimeout(() => this.save(conversation), kSaveMs);
    this.saveTimers.set(conversation.id, timer);
  }

  async save(conversation) {
    clearTimeout(this.saveTimers.get(conversation.id));
    this.saveTimers.delete(conversation.id);
    if (this.removed.has(conversation.id)) return;
    try {
      await this.store.put(conversation);
      if (this.channel) this.channel.postMessage({ kind: 'changed', id: conversation.id });
    } catch (error) {
      this.toast(t('saveFailed', { message: error.message }));
    }
    this.showList();
  }

  /** The page may go away: what is growing is kept at once. */
  keep() {
    const growing = [...this.generations.values()].map(({ conversation }) => conversation);
    if (growing.length) rescue(growing);
  }

  /** Another window wrote: what it has and this one lacks comes in. */
  async heard({ kind, id }) {
    if (kind === 'changed' && id === this.openId) {
      const stored = await this.store.get(id);
      if (!stored || id !== this.openId) return;
      const running = this.generations.get(id);
      for (const node of Object.values(stored.nodes)) {
        const mine = this.conversation.nodes[node.id];
        if (!mine) this.conversation.nodes[node.id] = node;
        else if (node.changed > mine.changed && !(running && running.node === mine)) {
          Object.assign(mine, node);
        }
      }
      if (stored.changed > this.conversation.changed) {
        const { title, titled, system, changed } = stored;
        Object.assign(this.conversation, { title, titled, system, changed });
        for (const [parent, child] of Object.entries(stored.selected)) {
          this.conversation.selected[parent] ??= child;
        }
      }
      this.show();
    } else if (kind === 'removed' && (id === this.openId || id === '')) {
      this.openNew();
    } else {
      this.showList();
    }
  }

  rename(title) {
    const { conversation } = this;
    conversation.titled = title.trim() !== '';
    const first = talk.path(conversation)[0];
    conversation.title = title.trim()
      || (first ? talk.titleFrom(first.node.content, first.node.files) : '');
    conversation.changed = Date.now();
    this.save(conversation);
    this.show();
  }

  async remove({ id, title }) {
    const running = this.generations.get(id);
    if (running) running.stop();
    const conversation = running ? running.conversation : await this.store.get(id);
    await this.forget(id);
    this.toast(t('deleted', { title: title || t('untitled') }), t('undo'), async () => {
      this.removed.delete(id);
      await this.save(conversation);
      location.hash = `#/${id}`;
    });
  }

  /** Removes one conversation, or all ('' as id). */
  async forget(id) {
    for (const gone of id ? [id] : [this.openId, ...this.generations.keys()]) this.removed.add(gone);
    await (id ? this.store.remove(id) : this.store.clear());
    drafts.set(id, '');
    if (this.channel) this.channel.postMessage({ kind: 'removed', id });
    if (!id || id === this.openId) this.openNew();
    else this.showList();
  }

  async exportAll() {
    download('issun-conversations.json', talk.exportText(await this.store.all()));
  }

  exportThis() {
    const name = this.conversation.title.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 40);
    download(`issun-${name}.json`, talk.exportText([this.conversation]));
  }

  importFile() {
    byId('settings').close();
    byId('import-input').click();
  }

  async import(input) {
    const [file] = input.files;
    try {
      const conversations = talk.importText(await file.text());
      for (const conversation of conversations) {
        this.removed.delete(conversation.id);
        await this.save(conversation);
      }
      this.toast(t('imported', { n: number(conversations.length) }));
    } catch (error) {
      this.toast(error.message.startsWith('import') ? t(error.message) : error.message);
    }
    input.value = '';
  }

  async deleteAll() {
    if (!(await ask(t('deleteAllSure'), t('deleteAllYes')))) return;
    for (const generation of this.generations.values()) generation.stop();
    await this.forget('');
    byId('settings').close();
  }

  // --- settings and appearance

  openSettings(focus = '') {
    this.panel.open(focus);
  }

  panelClosed() {
    if (this.conversation) this.save(this.conversation);
    this.composer.focus();
  }

  settingsChanged(name) {
    saveSettings(this.settings);
    if (name === 'theme') this.setTheme();
    if (name !== 'language') return;
    this.setLanguage();
    this.composer.refresh();
    this.messages.clear();
    this.show();
    this.serverKnown();
  }

  systemChanged(text) {
    if (!this.conversation) {
      this.newSystem = text;
      return;
    }
    this.conversation.system = text;
    this.conversation.changed = Date.now();
    this.saveSoon(this.conversation);
  }

  keyChanged() {
    this.server.connect();
  }

  serverKnown() {
    const { models, contextSize } = this.server;
    const select = byId('model');
    select.replaceChildren(...models.map((id) => new Option(id, id)));
    if (models.length && !models.includes(this.settings.model)) this.settings.model = models[0];
    select.value = this.settings.model;
    select.hidden = models.length < 2;
    byId('only-model').textContent = models.length === 1 ? models[0] : '';
    this.composer.contextSize = contextSize;
    this.composer.refresh();
    const about = [];
    if (models.length) about.push(t('welcomeModel', { model: this.settings.model }));
    if (contextSize) about.push(t('welcomeContext', { tokens: number(contextSize) }));
    byId('welcome-model').textContent = about.join(' ');
  }

  setLanguage() {
    document.documentElement.lang = setLanguage(this.settings.language, navigator.language);
    fillTexts(document);
  }

  setTheme() {
    if (this.settings.theme) document.documentElement.dataset.theme = this.settings.theme;
    else delete document.documentElement.dataset.theme;
  }

  switchTheme() {
    const dark = this.settings.theme === 'dark'
      || (!this.settings.theme && matchMedia('(prefers-color-scheme: dark)').matches);
    this.settings.theme = dark ? 'light' : 'dark';
    this.settingsChanged('theme');
  }

  toast(text, action = '', act = null) {
    const toast = byId('toast');
    clearTimeout(this.toastTimer);
    const hide = () => { toast.hidden = true; };
    toast.replaceChildren(make('span', { textContent: text }));
    if (action) {
      toast.append(make('button', {
        type: 'button', textContent: action, on: { click: () => { hide(); act(); } },
      }));
    }
    toast.hidden = false;
    this.toastTimer = setTimeout(hide, kToastMs);
  }
}

new Page(await openStore()).start();
