// What is known of the server: its models and its context, asked for until it answers.

import { listModels, properties } from './api.js';
import { make } from './dom.js';
import { apiKey } from './settings.js';
import { t } from './text.js';

const kAgainMs = 2000;

export class Server {
  models = [];
  contextSize = 0;
  defaults = {};
  #notice = document.getElementById('notice');
  #timer = 0;
  #round = 0;

  /** `page`: settings, serverKnown(), openSettings(focus). */
  constructor(page) {
    this.page = page;
  }

  async connect() {
    clearTimeout(this.#timer);
    const round = ++this.#round;
    const options = { key: apiKey() };
    try {
      const models = await listModels(options);
      // A server without /props still answers: only the size of its context stays unknown.
      const props = await properties(options).catch(() => ({ contextSize: 0, defaults: {} }));
      if (round !== this.#round) return;
      Object.assign(this, { models, ...props });
      this.#say('');
      this.page.serverKnown();
    } catch (error) {
      if (round !== this.#round) return;
      if (error.status === 401) {
        this.#say(t('errorKey'), make('button', {
          type: 'button', textContent: t('openSettings'),
          on: { click: () => this.page.openSettings('api-key') },
        }));
        return;
      }
      const known = error.status && error.status !== 503;
      this.#say(known ? t('errorServer', { status: error.status, message: error.message })
        : t(error.status === 503 ? 'serverLoading' : 'serverGone'));
      this.#timer = setTimeout(() => this.connect(), kAgainMs);
    }
  }

  #say(text, ...more) {
    if (this.#notice.firstChild && this.#notice.firstChild.textContent === text) return;
    this.#notice.hidden = !text;
    this.#notice.replaceChildren(make('span', { textContent: text }), ...more);
  }
}
