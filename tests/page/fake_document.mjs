// As much of a document as markdown.js uses, and no more: what it would need for HTML is missing.

class FakeNode {
  constructor(ownerDocument, name, text = '') {
    Object.assign(this, { ownerDocument, name, text, children: [], attributes: {}, className: '' });
  }

  set textContent(text) {
    this.children = text ? [new FakeNode(this.ownerDocument, '#text', text)] : [];
    this.adopt();
  }

  get textContent() {
    return this.name === '#text' ? this.text : this.children.map((child) => child.textContent).join('');
  }

  adopt() {
    for (const child of this.children) child.parent = this;
  }

  append(...nodes) {
    for (const node of nodes) {
      node.parent = this;
      this.children.push(node);
    }
  }

  replaceChildren(...nodes) {
    this.children = nodes;
    this.adopt();
  }

  replaceWith(node) {
    this.parent.children[this.parent.children.indexOf(this)] = node;
    this.parent.adopt();
  }

  remove() {
    this.parent.children.splice(this.parent.children.indexOf(this), 1);
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  /** Written as markup, for comparing; text is quoted. */
  get markup() {
    if (this.name === '#text') return JSON.stringify(this.text);
    const attributes = Object.entries(this.attributes).map(([key, value]) => ` ${key}=${value}`);
    const name = `${this.name}${this.className && `.${this.className}`}${attributes.join('')}`;
    return `<${name}>${this.children.map((child) => child.markup).join('')}</>`;
  }

  /** Every element and text below this one. */
  *all() {
    for (const child of this.children) {
      yield child;
      yield* child.all();
    }
  }
}

export function fakeContainer() {
  const document = {
    createElement: (name) => new FakeNode(document, name),
    createTextNode: (text) => new FakeNode(document, '#text', text),
  };
  return new FakeNode(document, 'container');
}

/** Random numbers that a seed repeats (xorshift, 32 bits). */
export function randomFrom(seed) {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
