// The messages on show: builds one element for each, and keeps it up to date while it grows.

import { copyText, fitHeight, icon, iconButton, isComposing, make } from './dom.js';
import { LiveMarkdown } from './markdown.js';
import { bytes, number, percent, t } from './text.js';

const kDoneMs = 1600;  // how long a copy button says that it has copied

async function copyFrom(button, text) {
  if (!(await copyText(text))) {
    button.title = t('copyFailed');
    return;
  }
  const before = [...button.childNodes];
  button.replaceChildren(button.classList.contains('icon-button') ? icon('done') : t('copied'));
  setTimeout(() => button.replaceChildren(...before), kDoneMs);
}

function versions(step, actions) {
  if (step.count < 2) return null;
  const { node, index, count } = step;
  const left = iconButton('left', t('previous'), () => actions.step(node, -1));
  const right = iconButton('right', t('next'), () => actions.step(node, 1));
  left.disabled = index === 0;
  right.disabled = index === count - 1;
  const place = make('span', {
    textContent: `${index + 1}/${count}`,
    attributes: { role: 'img', 'aria-label': t('version', { index: index + 1, count }) },
  });
  return make('span', { className: 'versions' }, left, place, right);
}

class UserMessage {
  constructor(node, actions) {
    this.node = node;
    this.actions = actions;
    this.body = make('div', { className: 'bubble' });
    this.tools = make('div', { className: 'tools' });
    this.root = make('article', {
      className: 'message user', data: { id: node.id }, attributes: { 'aria-label': t('you') },
    }, this.body, this.tools);
    this.showText();
  }

  showText() {
    const files = this.node.files.map(({ name, text }) => make(
      'details', { className: 'file' },
      make('summary', {}, icon('file'), `${name} (${bytes(new Blob([text]).size)})`),
      make('pre', { textContent: text, attributes: { tabindex: '0' } })));
    const words = make('div', { className: 'words', dir: 'auto', textContent: this.node.content });
    this.body.replaceChildren(...files, ...(this.node.content ? [words] : []));
    this.tools.hidden = false;
    this.root.classList.remove('editing');
  }

  update(step) {
    const { actions, node } = this;
    const shown = `${step.index}/${step.count}`;
    if (this.shown === shown) return;
    this.shown = shown;
    const copy = iconButton('copy', t('copy'), () => copyFrom(copy, node.content));
    const parts = [versions(step, actions), copy, iconButton('edit', t('edit'), () => this.edit())];
    this.tools.replaceChildren(...parts.filter(Boolean));
  }

  edit() {
    const field = make('textarea', {
      rows: 1, value: this.node.content, attributes: { 'aria-label': t('edit') },
    });
    const close = () => {
      this.showText();
      this.actions.focusComposer();
    };
    const send = () => {
      if (field.value.trim() || this.node.files.length) this.actions.edit(this.node, field.value);
    };
    field.addEventListener('input', () => fitHeight(field));
    field.addEventListener('keydown', (event) => {
      if (isComposing(event)) return;
      if (event.key === 'Enter' && !event.shiftKey) {
        event.preventDefault();
        send();
      } else if (event.key === 'Escape') {
        event.stopPropagation();
        close();
      }
    });
    const buttons = make(
      'div', { className: 'edit-buttons' },
      make('button', { type: 'button', textContent: t('cancel'), on: { click: close } }),
      make('button', {
        type: 'button', className: 'primary', textContent: t('send'), on: { click: send },
      }));
    this.root.classList.add('editing');
    this.tools.hidden = true;
    this.body.replaceChildren(field, buttons);
    fitHeight(field);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

function statistics(node, generation) {
  const parts = [];
  const add = (text, title = '') => parts.push(make('span', { textContent: text, title }));
  if (node.finish === 'length') add(t('lengthReached'));
  if (node.state === 'stopped' || (node.state === 'running' && !generation)) add(t('stoppedHere'));
  const speed = generation ? generation.liveSpeed() : node.speed;
  if (speed) add(t('statSpeed', { n: number(speed, speed < 100 ? 1 : 0) }));
  const { usage } = node;
  if (usage) {
    add(t('statTokens', { n: number(usage.completion) }));
    add(t('statPrompt', { n: number(usage.prompt) }));
    const share = usage.prompt ? usage.cached / usage.prompt : 0;
    add(t('statCached', { share: percent(share) }),
      t('cachedExplained', { n: number(usage.cached) }));
  }
  if (node.model && parts.length) add(node.model);
  return parts;
}

function errorText({ message, status, code, retryAfter }) {
  if (code === 'cut') return t('errorCut');
  if (code === 'malformed') return t('errorMalformed', { message });
  if (code === 'page') return message;
  if (!status) return t('errorNetwork');
  if (status === 401) return t('errorKey');
  if (status === 503 && retryAfter) return t('errorBusy', { n: retryAfter });
  return t('errorServer', { status, message });
}

class AnswerMessage {
  constructor(node, actions) {
    this.node = node;
    this.actions = actions;
    this.summary = make('summary');
    this.thoughtsBody = make('div', { className: 'prose', dir: 'auto' });
    this.thoughts = make('details', { className: 'thoughts', hidden: true },
      this.summary, this.thoughtsBody);
    this.prose = make('div', { className: 'prose', dir: 'auto' });
    this.waiting = make('p', { className: 'waiting', hidden: true });
    this.failure = make('div', { className: 'failure', hidden: true, attributes: { role: 'alert' } });
    this.stats = make('div', { className: 'stats' });
    this.tools = make('div', { className: 'tools' });
    this.root = make('article', {
      className: 'message answer', data: { id: node.id }, attributes: { 'aria-label': t('answer') },
    }, this.thoughts, this.prose, this.waiting, this.failure,
    make('div', { className: 'under' }, this.tools, this.stats));
    const labels = { code: t('code'), copy: t('copy') };
    this.thoughtsText = new LiveMarkdown(this.thoughtsBody, labels);
    this.text = new LiveMarkdown(this.prose, labels);
    this.root.addEventListener('click', (event) => {
      const button = event.target.closest('.copy-code');
      if (!button) return;
      copyFrom(button, button.closest('.code-block').querySelector('code').textContent);
    });
    this.thoughts.addEventListener('toggle', () => this.showThoughts());
  }

  update(step, generation) {
    const { node } = this;
    this.root.setAttribute('aria-busy', String(Boolean(generation)));
    this.root.classList.toggle('running', Boolean(generation));
    this.thoughts.hidden = !node.reasoning;
    if (node.reasoning) this.showThoughts();
    this.text.update(node.content);
    this.showWaiting(generation);
    this.showFailure(generation);
    this.stats.replaceChildren(...statistics(node, generation));
    const shown = `${step.index}/${step.count} ${Boolean(generation)} ${Boolean(node.content)}`;
    if (this.shown !== shown) this.showTools(step, generation);
    this.shown = shown;
  }

  showThoughts() {
    const { node } = this;
    const seconds = number(node.thinkingMs / 1000, node.thinkingMs < 10000 ? 1 : 0);
    this.summary.textContent = node.thinkingMs >= 50 ? t('thought', { n: seconds })
      : node.state === 'running' ? t('thinking') : t('thoughts');
    if (this.thoughts.open) this.thoughtsText.update(node.reasoning);
  }

  showWaiting(generation) {
    const { node } = this;
    this.waiting.hidden = !generation || Boolean(node.content || node.reasoning);
    if (this.waiting.hidden) return;
    const { progress } = generation;
    const seconds = Math.floor((performance.now() - generation.started) / 1000);
    const text = progress
      ? t('readingProgress', { done: number(progress.done), total: number(progress.total) })
      : t('readingPrompt');
    this.waiting.textContent =
      seconds > 1 ? `${text} · ${t('seconds', { n: number(seconds) })}` : text;
  }

  showFailure(generation) {
    const { error, state } = this.node;
    this.failure.hidden = state !== 'failed' || !error || Boolean(generation);
    const shown = this.failure.hidden ? '' : JSON.stringify(error);
    if (this.shownError === shown) return;
    this.shownError = shown;
    if (!shown) return;
    const buttons = make('div', { className: 'edit-buttons' }, make('button', {
      type: 'button', textContent: t('retry'), on: { click: () => this.actions.retry(this.node) },
    }));
    if (error.status === 401) {
      buttons.prepend(make('button', {
        type: 'button', className: 'primary', textContent: t('openSettings'),
        on: { click: () => this.actions.openSettings('api-key') },
      }));
    }
    this.failure.replaceChildren(make('p', { textContent: errorText(error) }), buttons);
  }

  showTools(step, generation) {
    const { actions, node } = this;
    const parts = [versions(step, actions)];
    if (!generation) {
      const copy = iconButton('copy', t('copy'), () => copyFrom(copy, node.content));
      if (node.content) parts.push(copy);
      // A failure without text has its own button, which tries the same message again.
      if (node.content || node.state !== 'failed') {
        parts.push(iconButton('again', t('regenerate'), () => actions.regenerate(node)));
      }
    }
    this.tools.replaceChildren(...parts.filter(Boolean));
  }
}

/** The list in `container`; `actions` are what its buttons do. */
export class MessageList {
  #container;
  #actions;
  #views = new Map();  // by node id, in the order shown

  constructor(container, actions) {
    this.#container = container;
    this.#actions = actions;
  }

  /** Shows the steps of `path`; elements of messages that stay are kept. */
  show(steps, generationOf) {
    const old = this.#views;
    this.#views = new Map();
    for (const step of steps) {
      const { node } = step;
      const Kind = node.role === 'user' ? UserMessage : AnswerMessage;
      let view = old.get(node.id);
      if (!view || view.node !== node) view = new Kind(node, this.#actions);
      view.step = step;
      view.update(step, generationOf(node));
      this.#views.set(node.id, view);
    }
    const roots = new Set([...this.#views.values()].map((view) => view.root));
    for (const child of [...this.#container.children]) if (!roots.has(child)) child.remove();
    let at = this.#container.firstChild;
    for (const root of roots) {
      if (root === at) at = at.nextSibling;
      else this.#container.insertBefore(root, at);
    }
  }

  update(node, generation) {
    const view = this.#views.get(node.id);
    if (view) view.update(view.step, generation);
  }

  edit(id) {
    const view = this.#views.get(id);
    if (view) view.edit();
  }

  /** After a step to another version: the focus goes on where it was, for the next step. */
  focusVersions(id, step) {
    const [left, right] = this.#views.get(id).root.querySelectorAll('.versions button');
    const [wanted, other] = step < 0 ? [left, right] : [right, left];
    (wanted.disabled ? other : wanted).focus();
  }

  clear() {
    this.#views.clear();
    this.#container.replaceChildren();
  }
}
