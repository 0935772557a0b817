import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseBlocks } from '../../page/blocks.js';
import { highlight } from '../../page/code.js';
import { inline, safeAddress } from '../../page/inline.js';
import { LiveMarkdown } from '../../page/markdown.js';
import { fakeContainer, randomFrom } from './fake_document.mjs';
import { kHostile, kMarkdown } from './mock_server.mjs';

function render(text) {
  const container = fakeContainer();
  new LiveMarkdown(container).update(text);
  return container;
}
const markup = (text) => render(text).children.map((child) => child.markup).join('');

test('inline marks', () => {
  assert.equal(markup('a **b** *c* ~~d~~ `e`'),
    '<p>"a "<strong>"b"</>" "<em>"c"</>" "<del>"d"</>" "<code>"e"</></>');
  assert.equal(markup('***both*** and **a *b* c**'),
    '<p><em><strong>"both"</></>" and "<strong>"a "<em>"b"</>" c"</></>');
  assert.equal(markup('snake_case_name and 2 * 3 * 4'), '<p>"snake_case_name and 2 * 3 * 4"</>');
  assert.equal(markup('``a ` b`` `open'), '<p><code>"a ` b"</>" `open"</>');
  assert.equal(markup('\\*no\\* &lt;b&gt; **open'), '<p>"*no* <b> ""**""open"</>');
  assert.equal(markup('one\ntwo'), '<p>"one"<br></>"two"</>');
});

test('emphasis beside Japanese punctuation', () => {
  assert.equal(markup('これは**「強調」**です。'), '<p>"これは"<strong>"「強調」"</>"です。"</>');
});

test('formulas keep their stars and underscores', () => {
  assert.equal(markup('\\(a_1 * b_2 * c\\)'), '<p><code>"\\\\(a_1 * b_2 * c\\\\)"</></>');
});

test('links are http or https and nothing else', () => {
  const link = (address, text) =>
    `<a href=${address} target=_blank rel=noopener noreferrer nofollow title=${address}>"${text}"</>`;
  assert.equal(markup('[a](https://example.org/x_y_z "t")'), `<p>${link('https://example.org/x_y_z', 'a')}</>`);
  assert.equal(markup('見る：https://example.org/a_b。'),
    `<p>"見る："${link('https://example.org/a_b', 'https://example.org/a_b')}"。"</>`);
  assert.equal(markup('(https://example.org/a(b)).').includes('href=https://example.org/a(b) '), true);
  for (const address of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'file:///etc',
    '//example.org', '/path', 'vbscript:x', '\u0001javascript:x', 'java\nscript:x', 'blob:https://a/b']) {
    assert.equal(safeAddress(address), null, address);
    assert.doesNotMatch(markup(`[a](${address})`), /href=(?!https?:)/, address);
  }
  assert.equal(markup('![alt](https://example.org/p.png)').includes('<img'), false);
});

test('blocks', () => {
  const kinds = (text) => parseBlocks(text).map((block) => block.type);
  assert.deepEqual(kinds(kMarkdown),
    ['heading', 'paragraph', 'list', 'table', 'code', 'quote']);
  assert.deepEqual(kinds('a\n# b\nc\n---\nd\n- e\n\nf'),
    ['paragraph', 'heading', 'paragraph', 'rule', 'paragraph', 'list', 'paragraph']);
  assert.equal(parseBlocks('## a ##')[0].text, 'a');
  assert.equal(parseBlocks('# C#')[0].text, 'C#');
  assert.equal(parseBlocks('```js\nopen')[0].text, 'open');
  assert.equal(parseBlocks('~~~~\n```\n~~~~\n')[0].text, '```');
});

test('lists nest by loose indentation and hold code', () => {
  const [list, ...rest] = parseBlocks('1. a\n  - b\n    - c\n  - d\n2. e\n\n   ```sh\n   f\n\n   g\n   ```\n');
  assert.equal(rest.length, 0);
  assert.equal(list.items.length, 2);
  const nested = list.items[0][1];
  assert.equal(nested.items.length, 2);
  assert.equal(nested.items[0][1].items.length, 1);
  assert.equal(list.items[1][1].text, 'f\n\ng');
  assert.equal(parseBlocks('2. a\n3. b')[0].start, 2);
  assert.match(markup('- [ ] a\n- [x] b'), /☐ a.*☑ b/);
});

test('tables keep their shape', () => {
  const [table] = parseBlocks('| a | b |\n|:-:|--:|\n| 1 |\n| 1 | 2 | 3 |\n| x \\| y | `z` |');
  assert.deepEqual(table.align, ['center', 'right']);
  assert.deepEqual(table.rows, [['1', ''], ['1', '2'], ['x | y', '`z`']]);
});

test('code is coloured without losing a letter', () => {
  for (const language of ['cpp', 'python', 'bash', 'sql', 'none', '__proto__', 'constructor']) {
    const text = 'if x == "a\\"b: // c\n# d 0x1f \'\'\' `e\n/* f';
    assert.equal(highlight(text, language).map((piece) => piece.text).join(''), text);
  }
  assert.deepEqual(highlight('return 1;', 'c').map((piece) => piece.kind), ['keyword', '', 'number', '']);
});

const kElements = new Set(('p h3 h4 h5 h6 ul ol li blockquote pre code div span table thead tbody tr th td ' +
  'strong em del a br hr button #text').split(' '));
const kAttributes = new Set('href target rel title start type tabindex scope'.split(' '));

function assertHarmless(container) {
  for (const node of container.all()) {
    assert.ok(kElements.has(node.name), `element ${node.name}`);
    for (const [name, value] of Object.entries(node.attributes)) {
      assert.ok(kAttributes.has(name), `attribute ${name}`);
      if (name === 'href') assert.match(value, /^https?:\/\//);
      if (name === 'start') assert.match(value, /^\d+$/);
    }
    assert.match(node.className, /^[a-z0-9 -]*$/);
  }
}

const kAtoms = ['<script>', '</', '<img src=x onerror=1>', '[', ']', '(', ')', '](', 'javascript:', 'https://a.b/',
  'http://', '"', "'", '*', '**', '***', '_', '__', '~~', '`', '``', '```', '~~~', '\n', '\n\n', '\n- ', '\n1. ',
  '\n   ', '\n> ', '\n# ', '|', '\n|-|-|\n', '---', '\\', '\\(', '\\)', '$$', '&lt;', '&#x6a;', '<', '>', ' ', 'a',
  'の', '。', '😀', '\0', '\t', '\r\n', '<https://x.y>', '<br>', '!', '[ ] ', '0', '.'];

function hostileText(random) {
  let text = '';
  for (let i = random(60); i >= 0; i--) text += kAtoms[random(kAtoms.length)];
  return text;
}

test('hostile text yields no element, attribute or address outside the allowed ones', () => {
  assertHarmless(render(kHostile));
  const seed = Number(process.env.ISSUN_SEED) || 20261126;
  const random = randomFrom(seed);
  for (let i = 0; i < 2500; i++) {
    const text = hostileText(random);
    try {
      assertHarmless(render(text));
    } catch (error) {
      throw new Error(`seed ${seed}, case ${i}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
});

test('growing text shows what the whole text shows, wherever it was cut', () => {
  const seed = Number(process.env.ISSUN_SEED) || 7;
  const random = randomFrom(seed);
  const grow = (text, steps) => {
    const container = fakeContainer();
    const live = new LiveMarkdown(container);
    let at = 0;
    while (at < text.length) {
      at = Math.min(text.length, at + 1 + random(steps));
      live.update(text.slice(0, at));
    }
    assert.deepEqual(container.children.map((child) => child.markup).join(''), markup(text),
      `seed ${seed}: ${JSON.stringify(text)}`);
  };
  for (const steps of [1, 5, 40]) grow(kMarkdown + kMarkdown + kHostile, steps);
  for (let i = 0; i < 800; i++) grow(hostileText(random) + hostileText(random), 12);
});

test('another text replaces the one shown', () => {
  const container = fakeContainer();
  const live = new LiveMarkdown(container);
  live.update(kMarkdown + kMarkdown);
  live.update('short');
  assert.equal(container.children.map((child) => child.markup).join(''), '<p>"short"</>');
});

test('time grows with the length, and depth is bounded', () => {
  const repeated = ['*', '**a ', '_a_', '`', '`a``', '[', '[a](', '![', '](', '<', '> ', '>', '- ', '  - a\n', '|',
    '|-', '\n|a|\n|-|\n', '# ', '\\(', '$$', '~~', '&', 'https://', 'https://a)', '***a*** ', '1. ', '<br>', ' a',
    '**a* ', '"', '\n'];
  for (const atom of repeated) {
    const text = atom.repeat(Math.ceil(60000 / atom.length));
    const start = performance.now();
    const container = render(text);
    const ms = performance.now() - start;
    assert.ok(ms < 5000, `${JSON.stringify(atom)} took ${ms.toFixed(0)} ms`);
    const depth = (node) => 1 + Math.max(0, ...node.children.slice(0, 50).map(depth));
    assert.ok(depth(container) < 120, `${JSON.stringify(atom)} nests ${depth(container)} deep`);
  }
  assert.ok(inline(`*${'a ** '.repeat(200000)}`).length > 0);
});
