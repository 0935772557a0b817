import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventReader } from '../../page/api.js';
import { randomFrom } from './fake_document.mjs';

const kStream = [
  ': reading 1/2\n\n', 'data: {"a":1}\n\n', 'data: 日本語😀\r\n\r\n', 'data: one\ndata: two\n\n', 'data: 3\r\ndata: 4\r\n\r\n',
  'event: x\nid: 7\nretry: 10\ndata:no space\n\n', 'data\n\n', ':\r\r', 'data:  two spaces\r\r',
  'data: \u{10ffff}é\r\n\n', '\n\n', 'data: [DONE]\n\n', 'data: cut off',
].join('');
const kEvents = [
  { comment: 'reading 1/2' }, { data: '{"a":1}' }, { data: '日本語😀' }, { data: 'one\ntwo' }, { data: '3\n4' },
  { data: 'no space' }, { data: '' }, { comment: '' }, { data: ' two spaces' },
  { data: '\u{10ffff}é' }, { data: '[DONE]' },
];
const bytes = new TextEncoder().encode(kStream);

function readCut(cuts) {
  const reader = new EventReader();
  const events = [];
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    events.push(...reader.push(bytes.subarray(at, cut)));
    at = cut;
  }
  return [...events, ...reader.end()];
}

test('the whole stream at once', () => {
  assert.deepEqual(readCut([]), kEvents);
});

test('the same events at every cut in two', () => {
  for (let cut = 0; cut <= bytes.length; cut++) assert.deepEqual(readCut([cut]), kEvents, `cut ${cut}`);
});

test('the same events byte by byte', () => {
  assert.deepEqual(readCut(bytes.keys()), kEvents);
});

test('the same events at any cuts', () => {
  const seed = Number(process.env.ISSUN_SEED) || 3;
  const random = randomFrom(seed);
  for (let i = 0; i < 2000; i++) {
    const cuts = Array.from({ length: random(40) }, () => random(bytes.length + 1)).sort((a, b) => a - b);
    assert.deepEqual(readCut(cuts), kEvents, `seed ${seed}, cuts ${cuts}`);
  }
});

test('bytes that are no UTF-8 become marks, not errors', () => {
  const reader = new EventReader();
  const broken = Uint8Array.of(...new TextEncoder().encode('data: a'), 0xff, 0xe3, 0x81, 10, 10);
  assert.deepEqual(reader.push(broken), [{ data: 'a\ufffd\ufffd' }]);
});
