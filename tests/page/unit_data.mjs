import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import * as talk from '../../page/conversation.js';
import { guessTokens, textOf } from '../../page/files.js';
import { kNumbers, parseNumber, parseStop, requestFields } from '../../page/settings.js';
import { kTexts } from '../../page/text.js';
import { pageFiles } from './mock_server.mjs';

globalThis.crypto ??= webcrypto;  // Node 18 has it, but not there

const shown = (conversation) => talk.path(conversation).map(({ node }) => node.content);

function twoTurns() {
  const conversation = talk.createConversation('be brief');
  let parent = '';
  for (const [role, text] of [['user', 'a'], ['assistant', 'b'], ['user', 'c'], ['assistant', 'd']]) {
    parent = talk.addNode(conversation, parent, role, '').id;
    conversation.nodes[parent].content = text;
  }
  return conversation;
}

test('an edited message is a branch, and the old one stays reachable', () => {
  const conversation = twoTurns();
  const third = talk.path(conversation)[2].node;
  const edited = talk.addNode(conversation, third.parent, 'user', 'C');
  assert.deepEqual(shown(conversation), ['a', 'b', 'C']);
  assert.deepEqual(talk.path(conversation).map(({ count }) => count), [1, 1, 2]);
  assert.equal(talk.selectSibling(conversation, edited.id, -1).id, third.id);
  assert.deepEqual(shown(conversation), ['a', 'b', 'c', 'd']);
  talk.selectSibling(conversation, third.id, -1);
  assert.deepEqual(shown(conversation), ['a', 'b', 'c', 'd']);
});

test('the request has the system prompt first and roles that alternate', () => {
  const conversation = twoTurns();
  const last = talk.path(conversation)[3].node;
  last.content = '';
  const next = talk.addNode(conversation, last.id, 'user', 'e');
  assert.deepEqual(talk.requestMessages(conversation, next.id), [
    { role: 'system', content: 'be brief' }, { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' }, { role: 'user', content: 'c\n\ne' },
  ]);
});

test('files come with their names in a fence that their text cannot close', () => {
  const content = talk.userContent({ content: 'q', files: [{ name: 'n.md', text: '```\nx\n````' }] });
  assert.equal(content, 'n.md:\n`````\n```\nx\n````\n`````\n\nq');
});

test('two windows lose no message of each other', () => {
  const one = twoTurns();
  const two = structuredClone(one);
  const leaf = talk.path(one)[3].node.id;
  talk.addNode(one, leaf, 'user', 'mine');
  talk.addNode(two, leaf, 'user', 'yours');
  const grown = two.nodes[leaf];
  Object.assign(grown, { content: 'longer', changed: grown.changed + 5 });
  for (const merged of [talk.merge(one, two), talk.merge(two, one)]) {
    assert.deepEqual(Object.values(merged.nodes).map((node) => node.content).sort(),
      ['a', 'b', 'c', 'longer', 'mine', 'yours']);
  }
});

test('what is exported comes back the same', () => {
  const conversation = twoTurns();
  conversation.nodes[talk.path(conversation)[2].node.id].files = [{ name: 'f', text: 't' }];
  assert.deepEqual(talk.importText(talk.exportText([conversation])), [conversation]);
});

test('a damaged, foreign or newer file is refused', () => {
  const refuses = (text, code) => assert.throws(() => talk.importText(text), { message: code });
  refuses('{', 'importNotJson');
  refuses('null', 'importOtherFormat');
  refuses('[]', 'importOtherFormat');
  refuses(JSON.stringify({ format: talk.kFormat, version: 2 }), 'importOtherVersion');
  const damage = (change) => {
    const conversation = twoTurns();
    change(conversation, talk.path(conversation).map(({ node }) => node));
    refuses(talk.exportText([conversation]), 'importDamaged');
  };
  damage((conversation) => { conversation.id = '../x'; });
  damage((conversation) => { conversation.nodes = 5; });
  damage((conversation, nodes) => { nodes[1].parent = 'missing-parent'; });
  damage((conversation, nodes) => { nodes[0].parent = nodes[3].id; });
  damage((conversation, nodes) => { nodes[0].id = '__proto__'; });
});

test('titles are the first line, cut between letters', () => {
  assert.equal(talk.titleFrom('  one\ntwo'), 'one');
  assert.equal(talk.titleFrom('😀'.repeat(70)), `${'😀'.repeat(59)}…`);
  assert.equal(talk.titleFrom('', [{ name: 'f.txt' }]), 'f.txt');
});

test('numbers of the settings', () => {
  const about = Object.fromEntries(kNumbers.map((field) => [field.name, field]));
  assert.deepEqual(parseNumber(about.temperature, ' '), { value: null });
  assert.deepEqual(parseNumber(about.temperature, '０．７'), { value: 0.7 });
  assert.deepEqual(parseNumber(about.temperature, '0,7'), { value: 0.7 });
  for (const text of ['x', '-1', '6', 'Infinity', 'NaN', '1 2']) {
    assert.deepEqual(parseNumber(about.temperature, text), { error: true }, text);
  }
  assert.deepEqual(parseNumber(about.top_k, '1.5'), { error: true });
  assert.deepEqual(parseStop('a\\nb\n\nc\\\\n'), ['a\nb', 'c\\n']);
  const settings = { model: 'm', stop: '', numbers: { temperature: 0, top_p: null, seed: 7 } };
  assert.deepEqual(requestFields(settings), { model: 'm', temperature: 0, seed: 7 });
});

test('files are read as UTF-8 or an older encoding, and others refused', () => {
  assert.equal(textOf(new TextEncoder().encode('日本\r\n語')), '日本\n語');
  assert.equal(textOf(Uint8Array.of(0x93, 0xfa, 0x96, 0x7b, 0x82, 0xcc)), '日本の');  // Shift_JIS
  assert.equal(textOf(Uint8Array.of(0xc6, 0xfc, 0xcb, 0xdc, 0xa4, 0xce)), '日本の');  // EUC-JP
  assert.equal(textOf(Uint8Array.of(0xff, 0xfe, 0x42, 0x30)), 'あ');                  // UTF-16
  assert.equal(textOf(Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0x20)), 'café ');         // Windows-1252
  assert.equal(textOf(Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0)), null);
  assert.equal(guessTokens('abcd日本'), 3);
});

test('both languages have the same texts with the same values', () => {
  const values = (text) => (text.match(/\{\w+\}/g) || []).sort().join();
  assert.deepEqual(Object.keys(kTexts.ja).sort(), Object.keys(kTexts.en).sort());
  for (const [key, text] of Object.entries(kTexts.en)) assert.equal(values(kTexts.ja[key]), values(text), key);
});

test('the sources use texts that exist, no HTML from strings, no address outside, nothing inline', () => {
  const known = new Set(Object.keys(kTexts.en));
  let total = 0;
  for (const [name, file] of pageFiles()) {
    const source = file.toString();
    total += file.length;
    for (const [, key] of source.matchAll(/\bt\('(\w+)'|data-(?:text|label|placeholder)="(\w+)"/g)) {
      if (key) assert.ok(known.has(key), `${name}: ${key}`);
    }
    for (const [, key] of source.matchAll(/data-(?:text|label|placeholder)="(\w+)"/g)) {
      assert.ok(known.has(key), `${name}: ${key}`);
    }
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser/);
    if (name === 'index.html') assert.doesNotMatch(source, / style=| on\w+=|<style|<script(?! src=| type="module" src=)/);
    const outside = source.match(/https?:\/\/[a-z][\w.]+/g) || [];
    assert.deepEqual(outside.filter((address) => address !== 'http://www.w3.org'), [], name);
  }
  assert.ok(total < 160000, `${total} bytes`);
});

test('every module that is imported is served', () => {
  const files = pageFiles();
  for (const [name, file] of files) {
    for (const [, target] of file.toString().matchAll(/from '\.\/([\w.]+)'/g)) {
      assert.ok(files.has(target), `${name} imports ${target}`);
    }
  }
  assert.ok(readdirSync(new URL('../../page/', import.meta.url)).length >= files.size);
  assert.ok(readFileSync(new URL('../../page/index.html', import.meta.url)).length > 0);
});
