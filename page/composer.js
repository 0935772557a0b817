// The field in which a message is written, with the files that go with it.

import { countTokens } from './api.js';
import { fitHeight, icon, iconButton, isComposing, make } from './dom.js';
import { guessTokens, kLargestFile, textOf } from './files.js';
import { apiKey } from './settings.js';
import { bytes, number, t } from './text.js';

export class Composer {
  files = [];  // {name, text, bytes, tokens, exact}
  contextSize = 0;
  #field = document.getElementById('message');
  #list = document.getElementById('files');
  #warning = document.getElementById('files-warning');
  #running = false;

  /** `actions`: send(text, files), stop(), editLast(), changed(text), say(text). */
  constructor(actions) {
    this.actions = actions;
    const form = document.getElementById('composer');
    const input = document.getElementById('file-input');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    form.addEventListener('click', (event) => {
      if (event.target === form || event.target.className === 'line') this.focus();
    });
    this.#field.addEventListener('input', () => this.#changed());
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    this.#field.addEventListener('paste', (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.addFiles(event.clipboardData.files);
    });
    document.getElementById('stop').addEventListener('click', () => actions.stop());
    document.getElementById('attach').addEventListener('click', () => input.click());
    input.addEventListener('change', async () => {
      const chosen = [...input.files];
      input.value = '';
      await this.addFiles(chosen);
      this.focus();
    });
    this.#acceptDrops();
  }

  get text() {
    return this.#field.value;
  }

  set text(text) {
    this.#field.value = text;
    fitHeight(this.#field);
    this.#enable();
  }

  set running(running) {
    const stop = document.getElementById('stop');
    const hadFocus = document.activeElement === stop;
    this.#running = running;
    stop.hidden = !running;
    document.getElementById('send').hidden = running;
    if (hadFocus && !running) this.focus();
    this.#enable();
  }

  /** Not on a touch screen, where a keyboard would come up over what is read. */
  focus() {
    if (!matchMedia('(pointer: coarse)').matches) this.#field.focus();
  }

  send() {
    if (this.#running || !this.#complete()) return;
    const { text, files } = this;
    this.files = [];
    this.text = '';
    this.#showFiles();
    this.actions.changed('');
    this.actions.send(text, files.map((file) => ({ name: file.name, text: file.text })));
  }

  async addFiles(list) {
    for (const file of list) {
      if (file.size > kLargestFile) {
        const [size, limit] = [bytes(file.size), bytes(kLargestFile)];
        this.actions.say(t('fileTooLarge', { name: file.name, size, limit }));
        continue;
      }
      let text = null;
      try {
        text = textOf(new Uint8Array(await file.arrayBuffer()));
      } catch {
        // A folder, or a file that cannot be read.
      }
      if (text === null) {
        this.actions.say(t('fileNotText', { name: file.name }));
        continue;
      }
      const entry = { name: file.name, text, bytes: file.size, tokens: guessTokens(text), exact: false };
      this.files.push(entry);
      this.#showFiles();
      this.#count(entry);
    }
  }

  /** Again in the language that was chosen. */
  refresh() {
    this.#showFiles();
  }

  #complete() {
    return this.#field.value.trim() !== '' || this.files.length > 0;
  }

  #enable() {
    document.getElementById('send').disabled = !this.#complete();
  }

  #changed() {
    fitHeight(this.#field);
    this.#enable();
    this.actions.changed(this.#field.value);
  }

  #key(event) {
    if (isComposing(event)) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === 'ArrowUp' && this.#field.value === '' && !this.files.length) {
      event.preventDefault();
      this.actions.editLast();
    }
  }

  async #count(entry) {
    try {
      entry.tokens = await countTokens(entry.text, { key: apiKey() });
      entry.exact = true;
      this.#showFiles();
    } catch {
      // The server does not count for us: the guess stays, and is called one.
    }
  }

  #showFiles() {
    this.#list.replaceChildren(...this.files.map((file) => make(
      'li', {}, icon('file'),
      make('span', { className: 'file-name', textContent: file.name }),
      make('span', {
        className: 'file-size',
        textContent: t(file.exact ? 'fileTokens' : 'fileTokensAbout',
          { size: bytes(file.bytes), n: number(file.tokens) }),
      }),
      iconButton('close', t('removeFile', { name: file.name }), () => {
        this.files = this.files.filter((other) => other !== file);
        this.#showFiles();
        this.focus();
      }))));
    const tokens = this.files.reduce((sum, file) => sum + file.tokens, 0);
    const limit = this.contextSize;
    const share = limit ? tokens / limit : 0;
    this.#warning.hidden = share <= 0.5;
    this.#warning.classList.toggle('bad', share > 1);
    const values = { n: number(tokens), limit: number(limit) };
    this.#warning.textContent =
      this.#warning.hidden ? '' : t(share > 1 ? 'filesTooMany' : 'filesMost', values);
    this.#enable();
  }

  #acceptDrops() {
    const hint = document.getElementById('drop-hint');
    const holdsFiles = (event) => event.dataTransfer && event.dataTransfer.types.includes('Files');
    document.addEventListener('dragover', (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      hint.hidden = false;
    });
    document.addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) hint.hidden = true;
    });
    document.addEventListener('drop', (event) => {
      hint.hidden = true;
      if (!holdsFiles(event)) return;
      event.preventDefault();
      this.addFiles(event.dataTransfer.files);
    });
  }
}
