// Small tools for building elements and icons.

import { t } from './text.js';

/** An element with properties; `data` and `attributes` are tables, `on` listeners by event. */
export function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'attributes') {
      for (const [attribute, text] of Object.entries(value)) node.setAttribute(attribute, text);
    } else if (key === 'data') {
      Object.assign(node.dataset, value);
    } else if (key === 'on') {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else {
      node[key] = value;
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Paths in a field of 24 by 24, drawn with a stroke.
const kIcons = {
  menu: 'M4 7h16M4 12h16M4 17h16',
  plus: 'M12 5v14M5 12h14',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5',
  theme: 'M20 14.500A8 8 0 1 1 9.500 4a6.500 6.500 0 0 0 10.500 10.500z',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  attach: 'M19 11.500 12 18.500a4.500 4.500 0 0 1-6.400-6.400l7.500-7.500a3 3 0 0 1 4.300 4.300l-7.500 7.400a1.500 1.500 0 0 1-2.100-2.100l6.700-6.700',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  done: 'M5 12.500 10 17.500 19 7',
  edit: 'M5 19l1-4L16 5l3 3L9 18l-4 1z',
  again: 'M19 12a7 7 0 1 1-2.200-5.100M19 4v4h-4',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  down: 'M12 5v14M6 13l6 6 6-6',
  close: 'M6 6l12 12M18 6 6 18',
  file: 'M7 3h7l4 4v14H7zM14 3v4h4',
};

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', kIcons[name]);
  svg.append(path);
  return svg;
}

/** A button that shows an icon and says its label. */
export function iconButton(name, label, listener, className = '') {
  return make('button', {
    type: 'button', className: `icon-button ${className}`.trim(), title: label,
    attributes: { 'aria-label': label }, on: { click: listener },
  }, icon(name));
}

/** Puts the texts of the chosen language and the icons into the elements of index.html. */
export function fillTexts(root) {
  const each = (name, use) => {
    for (const node of root.querySelectorAll(`[data-${name}]`)) use(node, node.dataset[name]);
  };
  each('text', (node, key) => { node.textContent = t(key); });
  each('placeholder', (node, key) => { node.placeholder = t(key); });
  each('label', (node, key) => {
    node.setAttribute('aria-label', t(key));
    if (node.tagName === 'BUTTON' || node.tagName === 'SELECT') node.title = t(key);
  });
  each('icon', (node, name) => {
    if (!node.querySelector('svg')) node.prepend(icon(name));
  });
}

/** Copies the text; also where the page is not served over a secure connection. */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // The older way may still be allowed.
    }
  }
  const field = make('textarea', { value: text, className: 'hidden' });
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  if (focused) focused.focus();
  return copied;
}

/** Whether the key belongs to an input method that is composing: it must do nothing else. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Makes the field as high as its text, up to what the style allows. */
export function fitHeight(field) {
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}

export function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  make('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
