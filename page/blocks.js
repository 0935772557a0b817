// Markdown's blocks: text in, a tree out, no document. What a model writes is read leniently:
// nested lists may be indented loosely, a fence that is still open is a code block.

const kMaxDepth = 10;
const kMaxColumns = 40;

const isBlank = (line) => line.trim() === '';
const indentOf = (line) => line.length - line.trimStart().length;
const unindent = (line, width) => line.slice(Math.min(width, indentOf(line)));

function readFence(line) {
  const match = /^( *)(`{3,}|~{3,})(.*)$/.exec(line);
  if (!match || (match[2][0] === '`' && match[3].includes('`'))) return null;
  return { indent: match[1].length, mark: match[2], language: match[3].trim().split(/\s/)[0] };
}

function closesFence(line, fence) {
  const text = line.trim();
  return text.length >= fence.mark.length && text === fence.mark[0].repeat(text.length);
}

function readHeading(line) {
  const match = /^ {0,3}(#{1,6})(?: |$)/.exec(line);
  if (!match) return null;
  let text = line.slice(match[0].length).trim();
  const closing = text.length - text.replace(/#+$/, '').length;
  if (closing && (closing === text.length || text[text.length - closing - 1] === ' ')) {
    text = text.slice(0, text.length - closing).trim();
  }
  return { type: 'heading', level: match[1].length, text };
}

function isRule(line) {
  if (indentOf(line) > 3) return false;
  const text = line.replace(/ /g, '');
  return text.length >= 3 && '-*_'.includes(text[0]) && text === text[0].repeat(text.length);
}

function readMarker(line) {
  const match = /^( *)([-*+]|\d{1,9}[.)])( +|$)/.exec(line);
  if (!match || isRule(line)) return null;
  const [, indent, mark, space] = match;
  const ordered = mark.length > 1;
  const gap = space.length >= 1 && space.length <= 4 ? space.length : 1;
  return {
    indent: indent.length,
    ordered,
    start: ordered ? parseInt(mark, 10) : 0,
    content: indent.length + mark.length + gap,
    empty: match[0].length === line.length,
  };
}

const isQuote = (line) => /^ {0,3}>/.test(line);

function cells(line) {
  let text = line.trim();
  if (text.startsWith('|')) text = text.slice(1);
  if (text.endsWith('|') && !text.endsWith('\\|')) text = text.slice(0, -1);
  return text.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** The alignments of a table whose head is `head` and whose second line is `line`, or null. */
function readTable(head, line) {
  if (line === undefined || !head.includes('|') || !/^[ |:-]+$/.test(line)) return null;
  const marks = cells(line);
  if (marks.length > kMaxColumns || !marks.every((mark) => /^:?-+:?$/.test(mark))) return null;
  if (cells(head).length !== marks.length) return null;
  return marks.map((mark) => {
    const [left, right] = [mark.startsWith(':'), mark.endsWith(':')];
    return left && right ? 'center' : right ? 'right' : left ? 'left' : '';
  });
}

/** Whether the line, not blank, starts another block than the paragraph that is being read. */
function interrupts(line, next) {
  if (readFence(line) || readHeading(line) || isRule(line) || isQuote(line)) return true;
  const marker = readMarker(line);
  if (marker && !marker.empty && (!marker.ordered || marker.start === 1)) return true;
  return readTable(line, next) !== null;
}

class Reader {
  constructor(lines, depth) {
    this.lines = lines;
    this.depth = depth;
    this.at = 0;
  }

  read() {
    const blocks = [];
    while (this.at < this.lines.length) {
      if (isBlank(this.lines[this.at])) {
        this.at++;
        continue;
      }
      const line = this.at;
      const block = this.block();
      block.line = line;
      blocks.push(block);
    }
    return blocks;
  }

  block() {
    const line = this.lines[this.at];
    const fence = readFence(line);
    if (fence) return this.code(fence);
    const heading = readHeading(line);
    if (heading || isRule(line)) {
      this.at++;
      return heading || { type: 'rule' };
    }
    if (this.depth < kMaxDepth) {
      if (isQuote(line)) return this.quote();
      const marker = readMarker(line);
      if (marker) return this.list(marker);
    }
    const align = readTable(line, this.lines[this.at + 1]);
    return align ? this.table(align) : this.paragraph();
  }

  code(fence) {
    const body = [];
    let closed = false;
    for (this.at++; this.at < this.lines.length && !closed; this.at++) {
      const line = this.lines[this.at];
      closed = closesFence(line, fence);
      if (!closed) body.push(unindent(line, fence.indent));
    }
    return { type: 'code', language: fence.language, text: body.join('\n'), closed };
  }

  paragraph() {
    const body = [this.lines[this.at++]];
    while (this.at < this.lines.length) {
      const line = this.lines[this.at];
      if (isBlank(line) || interrupts(line, this.lines[this.at + 1])) break;
      body.push(line);
      this.at++;
    }
    return { type: 'paragraph', text: body.map((line) => line.trimStart()).join('\n').trimEnd() };
  }

  quote() {
    const body = [];
    while (this.at < this.lines.length) {
      const line = this.lines[this.at];
      if (isQuote(line)) {
        body.push(line.replace(/^ {0,3}> ?/, ''));
      } else if (isBlank(line) || interrupts(line, this.lines[this.at + 1])) {
        break;
      } else {
        body.push(line);  // a paragraph of the quote goes on without its mark
      }
      this.at++;
    }
    return { type: 'quote', blocks: new Reader(body, this.depth + 1).read() };
  }

  table(align) {
    const head = cells(this.lines[this.at]);
    const rows = [];
    for (this.at += 2; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      if (isBlank(line) || !line.includes('|') || interrupts(line)) break;
      const row = cells(line).slice(0, align.length);
      while (row.length < align.length) row.push('');
      rows.push(row);
    }
    return { type: 'table', align, head, rows };
  }

  list(first) {
    const items = [];
    let loose = false;
    while (this.at < this.lines.length) {
      const marker = readMarker(this.lines[this.at]);
      if (!marker || marker.ordered !== first.ordered || marker.indent >= first.indent + 2) break;
      const item = this.item(marker);
      loose ||= item.loose;
      items.push(new Reader(item.body, this.depth + 1).read());
    }
    return { type: 'list', ordered: first.ordered, start: first.start, loose, items };
  }

  /** The lines of one item without their indentation, and whether blank lines are in or after it. */
  item(marker) {
    const body = [this.lines[this.at].slice(marker.content)];
    let width = 0;  // indentation of what continues the item, from its first such line
    let fence = readFence(body[0]);
    let blanks = 0;
    let loose = false;
    for (this.at++; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      if (fence) {
        const text = unindent(line, width || marker.content);
        if (closesFence(text, fence)) fence = null;
        body.push(text);
        continue;
      }
      if (isBlank(line)) {
        blanks++;
        continue;
      }
      const indent = indentOf(line);
      const inside = indent >= marker.indent + 2;
      const follows = readMarker(line);
      if (!inside && (follows || blanks || interrupts(line, this.lines[this.at + 1]))) {
        const next = follows && follows.ordered === marker.ordered;
        return { body, loose: loose || (next && blanks > 0) };
      }
      if (inside) width ||= Math.min(indent, marker.content);
      loose ||= blanks > 0;
      for (; blanks > 0; blanks--) body.push('');
      const text = unindent(line, width);
      fence = readFence(text);
      body.push(text);
    }
    return { body, loose };
  }
}

const expandTabs = (line) => line.replace(/^[ \t]+/, (space) => space.replaceAll('\t', '    '));

/** The blocks of the text; each has `line`, the line of the text at which it starts. */
export function parseBlocks(text) {
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\0', '\ufffd').split('\n');
  return new Reader(lines.map(expandTabs), 0).read();
}
