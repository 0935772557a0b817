// The page: which conversation is open, what is being answered, and what each action does.

import { Composer } from './composer.js';
import * as talk from './conversation.js';
import { fillTexts, isComposing, make } from './dom.js';
import { Generation } from './generation.js';
import { Keeper } from './keeper.js';
import { SettingsPanel } from './panel.js';
import { Follower } from './scroll.js';
import { Server } from './server.js';
import { apiKey, loadSettings, requestFields, saveSettings } from './settings.js';
import { Sidebar } from './sidebar.js';
import { drafts, openStore } from './store.js';
import { number, setLanguage, t } from './text.js';
import { MessageList } from './view.js';

const kToastMs = 10000;

const byId = (id) => document.getElementById(id);

class Page {
  settings = loadSettings();
  conversation = null;      // the open one; null: a new one that has no message yet
  newSystem = null;         // system prompt of a new one, when it was changed
  generations = new Map();  // by conversation id: answers on their way
  drawing = 0;              // the timer or frame that will draw
  drawMs = 0;               // what drawing took the last time

  constructor(store) {
    this.keeper = new Keeper(store, this);
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
    this.sidebar = new Sidebar({ remove: (summary) => this.keeper.remove(summary) });
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
    document.addEventListener('keydown', (event) => this.key(event));
    addEventListener('hashchange', () => this.openAddress());
    setInterval(() => {
      if (this.generations.has(this.openId)) this.draw();
    }, 1000);
  }

  async start() {
    await this.keeper.start();
    await this.openAddress();
    if (!this.keeper.store.lasting) this.toast(t('storageGone'));
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
    const conversation = running ? running.conversation : id ? await this.keeper.store.get(id) : null;
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
    this.sidebar.show(await this.keeper.store.list(), { current: this.openId, isRunning });
  }

  /** Draws a growing answer soon: with the next frame, or later so that a quarter of the time is enough. */
  draw() {
    if (this.drawing) return;
    const run = () => {
      this.drawing = 0;
      const running = this.generations.get(this.openId);
      if (!running) return;
      const start = performance.now();
      this.messages.update(running.node, running);
      this.follower.grown();  // asks for the height, so that the layout is in the time
      this.drawMs = performance.now() - start;
    };
    // A hidden page gets no frames, but its text should be there at once when it is shown again.
    const wait = Math.max(3 * this.drawMs, document.hidden ? 250 : 0);
    this.drawing = wait > 16 ? setTimeout(run, wait) : requestAnimationFrame(run);
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
    const chosen = talk.selectSibling(this.conversation, node.id, by);
    this.keeper.save(this.conversation);
    this.show();
    this.messages.focusVersions(chosen.id, by);
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
        this.keeper.saveSoon(conversation);
        if (this.conversation === conversation) this.draw();
      },
    });
    this.generations.set(conversation.id, generation);
    this.follower.jump();
    this.keeper.save(conversation);
    this.show();
    if (document.activeElement === document.body) this.composer.focus();
    await generation.run();
    if (this.generations.get(conversation.id) === generation) {
      this.generations.delete(conversation.id);
    }
    this.keeper.save(conversation);
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

  rename(title) {
    const { conversation } = this;
    conversation.titled = title.trim() !== '';
    const first = talk.path(conversation)[0];
    conversation.title = title.trim()
      || (first ? talk.titleFrom(first.node.content, first.node.files) : '');
    conversation.changed = Date.now();
    this.keeper.save(conversation);
    this.show();
  }

  // --- settings and appearance

  openSettings(focus = '') {
    this.panel.open(focus);
  }

  panelClosed() {
    if (this.conversation) this.keeper.save(this.conversation);
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
    this.keeper.saveSoon(this.conversation);
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
