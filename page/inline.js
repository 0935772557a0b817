// Markdown inside a block: text, emphasis, code, links. Pure: text in, a tree out, no document.
// Time grows linearly with the text and the tree's depth is bounded, whatever the text.

const kMaxOpen = 16;  // marks of emphasis that may be open at once
const kMaxAddress = 2048;
const kSpecial = /[\\`*_~[!<&\n]|\$\$|https?:\/\//g;
const kEntities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', '#39': "'" };
const kAddress = /https?:\/\/[\x21\x23-\x3b\x3d\x3f-\x5f\x61-\x7e]+/y;

/** The address when it is a link that may be followed, http or https; otherwise null. */
export function safeAddress(text) {
  if (text.length > kMaxAddress || !/^https?:\/\//i.test(text)) return null;
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

/** Where each `[` closes; a table by position. */
function bracketPairs(text) {
  const pairs = new Map();
  const open = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '[') open.push(i);
    else if (text[i] === ']' && open.length) pairs.set(open.pop(), i);
  }
  return pairs;
}

/** For the start of each run of backticks, the start of the next run of the same length. */
function backtickPairs(text) {
  const pairs = new Map();
  const later = new Map();
  const runs = [...text.matchAll(/`+/g)];
  for (const run of runs.reverse()) {
    const length = run[0].length;
    if (later.has(length)) pairs.set(run.index, later.get(length));
    later.set(length, run.index);
  }
  return pairs;
}

const isSpace = (c) => c === undefined || /\s/.test(c);
const isWord = (c) => c !== undefined && /[\p{L}\p{N}]/u.test(c);

/** The destination `(address "title")` that starts at `at`: {address, end}, or null. */
function destination(text, at) {
  let depth = 0;
  const limit = Math.min(text.length, at + kMaxAddress);
  for (let i = at; i < limit; i++) {
    const c = text[i];
    if (c === '\n') return null;
    if (c === '(' && ++depth > 8) return null;
    if (c === ')' && --depth === 0) {
      const inside = text.slice(at + 1, i).trim();
      const address = inside.replace(/\s+(?:"[^"]*"|'[^']*')$/, '');
      return { address: address.replace(/^<(.*)>$/, '$1'), end: i + 1 };
    }
  }
  return null;
}

/** A bare address without the punctuation of the sentence around it. */
function trimmedAddress(text) {
  let end = text.length;
  let unopened = text.split(')').length - text.split('(').length;
  for (; end > 0; end--) {
    const c = text[end - 1];
    if (c === ')') {
      if (unopened-- <= 0) break;
    } else if (!'.,;:!?\'*_~]}'.includes(c)) {
      break;
    }
  }
  return text.slice(0, end);
}

class Scanner {
  constructor(text, links) {
    this.text = text;
    this.links = links;
    this.at = 0;
    this.items = [];
    this.plain = '';
    this.brackets = bracketPairs(text);
    this.backticks = backtickPairs(text);
  }

  push(item) {
    if (this.plain) this.items.push({ type: 'text', text: this.plain });
    this.plain = '';
    this.items.push(item);
  }

  literal(length) {
    this.plain += this.text.slice(this.at, this.at + length);
    this.at += length;
  }

  scan() {
    const { text } = this;
    while (this.at < text.length) {
      kSpecial.lastIndex = this.at;
      const found = kSpecial.exec(text);
      this.literal((found ? found.index : text.length) - this.at);
      if (found && !this.special(found[0])) this.literal(1);
    }
    this.push({ type: 'text', text: '' });
    return this.items;
  }

  /** Reads what starts with the mark; false when it is mere text. */
  special(mark) {
    switch (mark) {
      case '\\': return this.escape();
      case '`': return this.code();
      case '*':
      case '_':
      case '~': return this.emphasis(mark);
      case '[': return this.link(this.at);
      case '!': return this.text[this.at + 1] === '[' && this.link(this.at + 1);
      case '<': return this.angle();
      case '&': return this.entity();
      case '\n': return this.lineEnd();
      case '$$': return this.formula('$$', '$$');
      default: return this.address();
    }
  }

  escape() {
    const next = this.text[this.at + 1];
    if (next === '(') return this.formula('\\(', '\\)');
    if (next === '[') return this.formula('\\[', '\\]');
    if (next === '\n') {
      this.at++;
      return this.lineEnd();
    }
    if (next === undefined || !/[!-/:-@[-`{-~]/.test(next)) return false;
    this.plain += next;
    this.at += 2;
    return true;
  }

  /** A formula stays as it was written: its stars and underscores are no emphasis. */
  formula(open, close) {
    this.noEnd ||= {};
    if (this.noEnd[close]) return false;
    const end = this.text.indexOf(close, this.at + open.length);
    if (end < 0) {
      this.noEnd[close] = true;
      return false;
    }
    this.push({ type: 'code', text: this.text.slice(this.at, end + close.length) });
    this.at = end + close.length;
    return true;
  }

  code() {
    let length = 1;
    while (this.text[this.at + length] === '`') length++;
    const close = this.backticks.get(this.at);
    if (close === undefined) {
      this.literal(length);
      return true;
    }
    let inside = this.text.slice(this.at + length, close).replace(/\n/g, ' ');
    const padded = inside.startsWith(' ') && inside.endsWith(' ') && inside.trim() !== '';
    if (padded) inside = inside.slice(1, -1);
    this.push({ type: 'code', text: inside });
    this.at = close + length;
    return true;
  }

  /** Unlike CommonMark, punctuation next to a mark does not matter: 「**「強調」**です」 works. */
  emphasis(mark) {
    let end = this.at;
    while (this.text[end] === mark) end++;
    const count = end - this.at;
    const before = this.text[this.at - 1];
    const after = this.text[end];
    let open = !isSpace(after);
    let close = !isSpace(before);
    if (mark === '_') {
      open = open && !isWord(before);
      close = close && !isWord(after);
    }
    if (count > 3 || (mark === '~' && count !== 2) || (!open && !close)) {
      this.literal(count);
    } else {
      this.push({ type: 'mark', mark, count, open, close });
      this.at = end;
    }
    return true;
  }

  link(bracket) {
    const close = this.brackets.get(bracket);
    if (!this.links || close === undefined || this.text[close + 1] !== '(') return false;
    const target = destination(this.text, close + 1);
    const address = target && safeAddress(target.address);
    if (!address) return false;
    const label = this.text.slice(bracket + 1, close);
    const children = label.trim() ? inline(label, false) : [{ type: 'text', text: address }];
    this.push({ type: 'link', address, children });
    this.at = target.end;
    return true;
  }

  angle() {
    const found = /<(https?:\/\/[^\s<>]{1,2048})>/y;
    found.lastIndex = this.at;
    const match = found.exec(this.text);
    const address = match && this.links && safeAddress(match[1]);
    if (address) {
      this.push({ type: 'link', address, children: [{ type: 'text', text: match[1] }] });
      this.at += match[0].length;
      return true;
    }
    const lineBreak = /<br\s{0,3}\/?>\n?/iy;
    lineBreak.lastIndex = this.at;
    const written = lineBreak.exec(this.text);
    if (!written) return false;
    this.push({ type: 'break' });
    this.at += written[0].length;
    return true;
  }

  entity() {
    const match = /&(amp|lt|gt|quot|apos|nbsp|#39);/y;
    match.lastIndex = this.at;
    const found = match.exec(this.text);
    if (!found) return false;
    this.plain += kEntities[found[1]];
    this.at += found[0].length;
    return true;
  }

  /** Every end of a line shows: a space would be wrong between Japanese lines. */
  lineEnd() {
    this.plain = this.plain.trimEnd();
    this.push({ type: 'break' });
    this.at++;
    while (this.text[this.at] === ' ') this.at++;
    return true;
  }

  address() {
    kAddress.lastIndex = this.at;
    const found = kAddress.exec(this.text);
    if (!found) return false;
    const written = trimmedAddress(found[0].slice(0, kMaxAddress));
    const address = this.links && !isWord(this.text[this.at - 1]) && safeAddress(written);
    if (!address) {
      this.literal(Math.max(1, written.length));
      return true;
    }
    this.push({ type: 'link', address, children: [{ type: 'text', text: written }] });
    this.at += written.length;
    return true;
  }
}

/** Pairs the marks of emphasis; a mark without a partner is text. */
function pairMarks(items) {
  const frames = [{ mark: '', count: 0, nodes: [] }];
  const top = () => frames[frames.length - 1];
  const flatten = () => {
    const frame = frames.pop();
    top().nodes.push({ type: 'text', text: frame.mark.repeat(frame.count) });
    for (const node of frame.nodes) top().nodes.push(node);
  };
  for (const item of items) {
    if (item.type !== 'mark') {
      top().nodes.push(item);
      continue;
    }
    let { count } = item;
    while (item.close && count > 0) {
      let at = frames.length - 1;
      while (at > 0 && frames[at].mark !== item.mark) at--;
      if (at === 0) break;
      while (frames.length - 1 > at) flatten();
      const frame = top();
      const used = frame.count >= 2 && count >= 2 ? 2 : 1;
      const type = item.mark === '~' ? 'deleted' : used === 2 ? 'strong' : 'emphasis';
      const node = { type, children: frame.nodes };
      frame.count -= used;
      count -= used;
      if (frame.count) {
        frame.nodes = [node];
      } else {
        frames.pop();
        top().nodes.push(node);
      }
    }
    if (!count) continue;
    if (item.open && frames.length <= kMaxOpen) {
      frames.push({ mark: item.mark, count, nodes: [] });
    } else {
      top().nodes.push({ type: 'text', text: item.mark.repeat(count) });
    }
  }
  while (frames.length > 1) flatten();
  return frames[0].nodes.filter((node) => node.type !== 'text' || node.text);
}

/** The tree of the text: nodes text, code, break, strong, emphasis, deleted, link {address}. */
export function inline(text, links = true) {
  return pairMarks(new Scanner(text, links).scan());
}
