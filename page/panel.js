// The settings: everything takes effect at once; a number that cannot be is marked and not taken.

import { iconButton, make } from './dom.js';
import { apiKey, kNumbers, parseNumber, setApiKey } from './settings.js';
import { t } from './text.js';

function field(id, label, control, hint = '') {
  control.id = id;
  const note = make('span', { className: 'hint', id: `${id}-hint`, textContent: hint });
  if (hint) control.setAttribute('aria-describedby', note.id);
  return make('div', { className: 'field' },
    make('label', { htmlFor: id, textContent: label }), control, note);
}

function choice(value, options, changed) {
  const select = make('select', { on: { change: () => changed(select.value) } });
  for (const [option, text] of options) select.append(new Option(text, option));
  select.value = value;
  return select;
}

const section = (title, ...children) =>
  make('section', {}, make('h3', { textContent: title }), ...children);
const button = (text, listener, className = '') =>
  make('button', { type: 'button', className, textContent: text, on: { click: listener } });

/**
 * `page` gives settings, conversation (or null), system (of what is open), defaults of the server,
 * and takes changes: settingsChanged(what), systemChanged(text), keyChanged(), panelClosed(); its
 * keeper does exportThis(), exportAll(), importFile(), deleteAll().
 */
export class SettingsPanel {
  #dialog = document.getElementById('settings');

  constructor(page) {
    this.page = page;
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#dialog.addEventListener('close', () => page.panelClosed());
  }

  open(focus = '') {
    this.#build();
    if (!this.#dialog.open) this.#dialog.showModal();
    if (focus) document.getElementById(focus).focus();
  }

  #build() {
    const title = make('h2', { id: 'settings-title', textContent: t('settings') });
    const close = iconButton('close', t('close'), () => this.#dialog.close());
    this.#dialog.replaceChildren(make('div', { className: 'panel' },
      make('div', { className: 'panel-head' }, title, close),
      this.#conversation(), this.#sampling(), this.#look(), this.#data()));
  }

  #conversation() {
    const { page } = this;
    const text = make('textarea', { rows: 4, value: page.system, dir: 'auto' });
    const always = make('input', { type: 'checkbox' });
    always.checked = page.settings.system === page.system && page.system !== '';
    const keep = () => {
      page.systemChanged(text.value);
      if (always.checked) this.#store('system', text.value);
    };
    text.addEventListener('input', keep);
    always.addEventListener('change', () => this.#store('system', always.checked ? text.value : ''));
    return section(t('sectionConversation'),
      field('system', t('systemPrompt'), text, t('systemHint')),
      make('label', { className: 'check' }, always, t('systemDefault')));
  }

  #sampling() {
    const { settings } = this.page;
    const grid = make('div', { className: 'grid' }, ...kNumbers.map((about) => this.#number(about)));
    const stop = make('textarea', { rows: 2, value: settings.stop, spellcheck: false });
    stop.addEventListener('input', () => this.#store('stop', stop.value));
    const reset = button(t('reset'), () => {
      for (const { name } of kNumbers) settings.numbers[name] = null;
      this.#store('stop', '');
      this.open('temperature');
    });
    return section(t('sectionSampling'),
      make('p', { className: 'hint', textContent: t('samplingHint') }), grid,
      field('stop-sequences', t('stopSequences'), stop, t('stopHint')), reset);
  }

  #number(about) {
    const { settings, defaults } = this.page;
    const known = defaults[about.name];
    const value = settings.numbers[about.name];
    const input = make('input', {
      type: 'text', inputMode: about.integer ? 'numeric' : 'decimal', autocomplete: 'off',
      value: value === null ? '' : String(value),
      placeholder: known >= about.min ? String(Math.round(known * 1e4) / 1e4) : '',
    });
    const hint = t(`${about.name}Hint`);
    const box = field(about.name, t(about.name), input, hint);
    input.addEventListener('input', () => {
      const parsed = parseNumber(about, input.value);
      const wrong = t(about.integer ? 'invalidInteger' : 'invalidNumber', about);
      input.setAttribute('aria-invalid', String(Boolean(parsed.error)));
      box.querySelector('.hint').textContent = parsed.error ? wrong : hint;
      if (parsed.error) return;
      settings.numbers[about.name] = parsed.value;
      this.page.settingsChanged('numbers');
    });
    return box;
  }

  #look() {
    const { page } = this;
    const { settings } = page;
    const language = choice(settings.language,
      [['', t('automatic')], ['en', 'English'], ['ja', '日本語']], (value) => {
        this.#store('language', value);
        this.open('language');
      });
    const theme = choice(settings.theme,
      [['', t('automatic')], ['light', t('light')], ['dark', t('dark')]],
      (value) => this.#store('theme', value));
    const key = make('input', { type: 'password', autocomplete: 'off', value: apiKey() });
    key.addEventListener('change', () => {
      setApiKey(key.value);
      page.keyChanged();
    });
    return section(t('sectionPage'),
      make('div', { className: 'grid' },
        field('language', t('language'), language), field('theme-choice', t('theme'), theme)),
      field('api-key', t('apiKey'), key, t('apiKeyHint')));
  }

  #data() {
    const { page } = this;
    const exportThis = button(t('exportThis'), () => page.keeper.exportThis());
    exportThis.disabled = !page.conversation;
    return section(t('sectionData'),
      make('p', { className: 'hint', textContent: t('dataHint') }),
      make('div', { className: 'buttons' }, exportThis,
        button(t('exportAll'), () => page.keeper.exportAll()),
        button(t('import'), () => page.keeper.importFile()),
        button(t('deleteAll'), () => page.keeper.deleteAll(), 'danger')));
  }

  #store(name, value) {
    this.page.settings[name] = value;
    this.page.settingsChanged(name);
  }
}

/** Asks before something that cannot be undone; resolves to whether it was agreed to. */
export function ask(text, yes) {
  const dialog = document.getElementById('question');
  return new Promise((resolve) => {
    const answer = (agreed) => () => {
      dialog.returnValue = agreed ? 'yes' : '';
      dialog.close(dialog.returnValue);
    };
    dialog.replaceChildren(make('div', { className: 'panel' },
      make('p', { id: 'question-text', textContent: text }),
      make('div', { className: 'edit-buttons' },
        button(t('cancel'), answer(false)), button(yes, answer(true), 'danger'))));
    dialog.returnValue = '';
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    dialog.showModal();
  });
}
