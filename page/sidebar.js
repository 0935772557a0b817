// The list of conversations, newest first, with a filter once there are many.

import { iconButton, make } from './dom.js';
import { date, t } from './text.js';

const kFilterFrom = 8;  // conversations

export class Sidebar {
  #list = document.getElementById('conversations');
  #filter = document.getElementById('filter');
  #summaries = [];
  #looks = '';
  #state = { current: '', isRunning: () => false };

  /** `actions`: remove(summary). A conversation opens by its address. */
  constructor(actions) {
    this.actions = actions;
    const root = document.documentElement;
    const narrow = matchMedia('(max-width: 800px)');
    const scrim = document.getElementById('scrim');
    const opener = document.getElementById('open-sidebar');
    // Wide: shown unless folded away. Narrow: hidden unless opened over the page.
    this.close = () => root.classList.remove('sidebar-over');
    const expanded = () => String(narrow.matches
      ? root.classList.contains('sidebar-over') : !root.classList.contains('sidebar-folded'));
    const said = () => opener.setAttribute('aria-expanded', expanded());
    opener.addEventListener('click', () => {
      root.classList.toggle(narrow.matches ? 'sidebar-over' : 'sidebar-folded');
      said();
      if (root.classList.contains('sidebar-over')) document.getElementById('new').focus();
    });
    const closeOver = () => {
      this.close();
      said();
      opener.focus();
    };
    scrim.addEventListener('click', closeOver);
    document.getElementById('close-sidebar').addEventListener('click', closeOver);
    document.getElementById('sidebar').addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && root.classList.contains('sidebar-over')) closeOver();
    });
    this.#filter.addEventListener('input', () => this.show());
    narrow.addEventListener('change', said);
    said();
  }

  /** Shows the summaries; `state` is {current: id, isRunning(id)}. */
  show(summaries = this.#summaries, state = this.#state) {
    this.#summaries = summaries;
    this.#state = state;
    this.#filter.hidden = summaries.length < kFilterFrom;
    const wanted = this.#filter.hidden ? '' : this.#filter.value.trim().toLowerCase();
    const shown = summaries.filter(({ title }) => title.toLowerCase().includes(wanted));
    document.getElementById('no-conversations').hidden = summaries.length > 0;
    // An answer that grows is saved every second: what looks the same keeps its focus.
    const looks = JSON.stringify([document.documentElement.lang, shown.map(({ id, title, changed }) =>
      [id, title, date(changed), id === state.current, state.isRunning(id)])]);
    if (this.#looks === looks) return;
    this.#looks = looks;
    this.#list.replaceChildren(...shown.map((summary) => this.#item(summary)));
  }

  #item(summary) {
    const { current, isRunning } = this.#state;
    const title = summary.title || t('untitled');
    const link = make('a', { href: `#/${summary.id}` },
      make('span', { className: 'item-title', textContent: title, dir: 'auto' }),
      make('span', { className: 'item-date', textContent: date(summary.changed) }));
    if (summary.id === current) link.setAttribute('aria-current', 'page');
    link.addEventListener('click', () => this.close());
    const item = make('li', {}, link, iconButton(
      'close', t('deleteConversation', { title }), () => this.actions.remove(summary), 'remove'));
    if (isRunning(summary.id)) {
      link.append(make('span', {
        className: 'running-dot', attributes: { role: 'img', 'aria-label': t('answering') },
      }));
    }
    return item;
  }
}
