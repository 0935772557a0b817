// Shows Markdown as elements of the document. Nothing of the text is ever read as HTML: elements
// are made by name from a fixed set, their content by textContent, and only http(s) is linked.

import { parseBlocks } from './blocks.js';
import { highlight } from './code.js';
import { inline } from './inline.js';

const kInlineNames = { strong: 'strong', emphasis: 'em', deleted: 'del' };

function make(document, name, className = '') {
  const node = document.createElement(name);
  if (className) node.className = className;
  return node;
}

function appendInline(document, parent, nodes) {
  for (const node of nodes) {
    if (node.type === 'text') {
      parent.append(document.createTextNode(node.text));
    } else if (node.type === 'break') {
      parent.append(make(document, 'br'));
    } else if (node.type === 'code') {
      const code = make(document, 'code');
      code.textContent = node.text;
      parent.append(code);
    } else if (node.type === 'link') {
      const link = make(document, 'a');
      link.setAttribute('href', node.address);
      link.setAttribute('target', '_blank');
      link.setAttribute('rel', 'noopener noreferrer nofollow');
      link.setAttribute('title', node.address);
      appendInline(document, link, node.children);
      parent.append(link);
    } else {
      const child = make(document, kInlineNames[node.type]);
      appendInline(document, child, node.children);
      parent.append(child);
    }
  }
  return parent;
}

function codeBlock(document, block, labels) {
  const box = make(document, 'div', 'code-block');
  const head = make(document, 'div', 'code-head');
  const language = make(document, 'span', 'code-language');
  language.textContent = block.language || labels.code;
  const copy = make(document, 'button', 'copy-code');
  copy.setAttribute('type', 'button');
  copy.textContent = labels.copy;
  head.append(language, copy);
  const frame = make(document, 'pre');
  frame.setAttribute('tabindex', '0');
  const code = make(document, 'code');
  for (const { kind, text } of highlight(block.text, block.language)) {
    if (!kind) {
      code.append(document.createTextNode(text));
      continue;
    }
    const span = make(document, 'span', `code-${kind}`);
    span.textContent = text;
    code.append(span);
  }
  frame.append(code);
  box.append(head, frame);
  return box;
}

function tableRow(document, name, row, align) {
  const line = make(document, 'tr');
  row.forEach((text, column) => {
    const cell = make(document, name, align[column] ? `align-${align[column]}` : '');
    if (name === 'th') cell.setAttribute('scope', 'col');
    line.append(appendInline(document, cell, inline(text)));
  });
  return line;
}

function table(document, block) {
  const frame = make(document, 'div', 'table-frame');
  frame.setAttribute('tabindex', '0');
  const grid = make(document, 'table');
  const head = make(document, 'thead');
  head.append(tableRow(document, 'th', block.head, block.align));
  const body = make(document, 'tbody');
  for (const row of block.rows) body.append(tableRow(document, 'td', row, block.align));
  grid.append(head, body);
  frame.append(grid);
  return frame;
}

/** An item that starts with [ ] or [x] shows a box. */
function withBox(blocks) {
  const [first] = blocks;
  const task = first && first.type === 'paragraph' && /^\[([ xX])\] /.exec(first.text);
  if (!task) return blocks;
  const box = task[1] === ' ' ? '\u2610 ' : '\u2611 ';
  return [{ ...first, text: box + first.text.slice(4) }, ...blocks.slice(1)];
}

function list(document, block, labels) {
  const node = make(document, block.ordered ? 'ol' : 'ul', block.loose ? 'loose' : 'tight');
  if (block.ordered && block.start !== 1) node.setAttribute('start', String(block.start));
  for (const blocks of block.items) {
    const item = make(document, 'li');
    for (const child of withBox(blocks)) item.append(element(document, child, labels));
    node.append(item);
  }
  return node;
}

function element(document, block, labels) {
  switch (block.type) {
    case 'code': return codeBlock(document, block, labels);
    case 'rule': return make(document, 'hr');
    case 'table': return table(document, block);
    case 'list': return list(document, block, labels);
    case 'quote': {
      const quote = make(document, 'blockquote');
      for (const child of block.blocks) quote.append(element(document, child, labels));
      return quote;
    }
    case 'heading': {
      // The page has h1 and h2 of its own; the size follows the level as written.
      const name = `h${Math.min(block.level + 2, 6)}`;
      const heading = make(document, name, `level-${block.level}`);
      return appendInline(document, heading, inline(block.text));
    }
    default: return appendInline(document, make(document, 'p'), inline(block.text));
  }
}

/** The offset at which line number `count` of the text starts. */
function lineStart(text, count) {
  let at = 0;
  for (; count > 0; count--) at = text.indexOf('\n', at) + 1;
  return at;
}

/**
 * Markdown that grows within `container`. Only its tail is read again: a block stays as it is once
 * a later block starts two lines before the end, because then nothing that follows can change it.
 */
export class LiveMarkdown {
  #container;
  #labels;
  #text = '';
  #settledLength = 0;  // of the text, at the start of a line
  #settledCount = 0;   // children of the container that belong to it
  #tail = [];          // what the children after them show, to leave equal ones alone

  constructor(container, labels = { code: 'code', copy: 'Copy' }) {
    this.#container = container;
    this.#labels = labels;
  }

  update(text) {
    if (text === this.#text) return;
    if (!text.startsWith(this.#text.slice(0, this.#settledLength))) this.clear();
    this.#text = text;
    const tail = text.slice(this.#settledLength);
    const blocks = parseBlocks(tail);
    this.#show(blocks);
    const lastLine = tail.split('\n').length - 1;
    let settled = blocks.length - 1;
    while (settled > 0 && blocks[settled].line > lastLine - 2) settled--;
    if (settled > 0) {
      this.#settledLength += lineStart(tail, blocks[settled].line);
      this.#settledCount += settled;
      this.#tail = this.#tail.slice(settled);
    }
  }

  clear() {
    this.#container.replaceChildren();
    this.#text = '';
    this.#settledLength = 0;
    this.#settledCount = 0;
    this.#tail = [];
  }

  #show(blocks) {
    const { ownerDocument: document, children } = this.#container;
    blocks.forEach((block, i) => {
      const shown = JSON.stringify({ ...block, line: 0 });
      if (this.#tail[i] === shown) return;
      this.#tail[i] = shown;
      const node = element(document, block, this.#labels);
      const old = children[this.#settledCount + i];
      if (old) old.replaceWith(node);
      else this.#container.append(node);
    });
    while (children.length > this.#settledCount + blocks.length) {
      children[children.length - 1].remove();
    }
    this.#tail.length = blocks.length;
  }
}
