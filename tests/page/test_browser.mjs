// The page in headless Chromium, as a person uses it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';

import { kMarkdown } from './mock_server.mjs';
import { answered, openPage, say, startBrowser, watched } from './browser.mjs';

let browser;
let open = [];

before(async () => { browser = await startBrowser(); });
after(() => browser.close());
afterEach(async () => {
  for (const { context, server, complaints } of open.splice(0)) {
    await context.close();
    await server.stop();
    assert.deepEqual(complaints, []);
  }
});

async function start(options) {
  const opened = await openPage(browser, options);
  open.push(opened);
  return opened;
}

const lastAnswer = (page) => page.locator('.answer').last();
const proseOf = (page) => lastAnswer(page).locator('.prose').last();
const lastRequest = (server) => server.requests[server.requests.length - 1];

test('a message is answered: Markdown, statistics, title, and nothing asked elsewhere', async () => {
  const { page, server } = await start();
  await say(page, 'MARKDOWN please');
  await answered(page);
  const prose = proseOf(page);
  assert.equal(await prose.locator('h3').textContent(), 'A heading');
  assert.equal(await prose.locator('ol > li > ul > li strong').textContent(), 'item');
  assert.equal(await prose.locator('td').last().textContent(), '1');
  assert.equal(await prose.locator('.code-language').textContent(), 'cpp');
  assert.equal(await prose.locator('.code-keyword').first().textContent(), 'int');
  assert.match(await lastAnswer(page).locator('.stats').textContent(),
    /42\.5 tokens\/s.*prompt 1,024 tokens.*96% cached/);
  assert.equal(await page.inputValue('#title'), 'MARKDOWN please');
  assert.deepEqual(server.requests[0].messages, [{ role: 'user', content: 'MARKDOWN please' }]);
  assert.equal(server.requests[0].stream_options.include_usage, true);
  assert.equal(server.requests[0].model, 'issun-27m');
});

test('bytes cut anywhere give the text whole', async () => {
  const { page } = await start();
  await say(page, '漢字とかな😀 & <b>');
  await answered(page);
  assert.equal(await proseOf(page).textContent(), 'You said: 漢字とかな😀 & <b> 日本語も😀。');
});

test('hostile text runs nothing and makes no foreign element', async () => {
  const { page } = await start();
  await say(page, 'HOSTILE');
  await answered(page);
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.locator('#messages :is(script, img, iframe, svg[onload], [onerror])').count(), 0);
  const addresses = await page.locator('#messages a').evaluateAll((all) => all.map((a) => a.protocol));
  assert.deepEqual(addresses.filter((protocol) => protocol !== 'https:' && protocol !== 'http:'), []);
});

test('Enter sends, Shift+Enter makes a line and the field grows, a composing input method never sends', async () => {
  const { page, server } = await start();
  const field = page.locator('#message');
  const height = (await field.boundingBox()).height;
  await field.pressSequentially('one');
  for (let i = 0; i < 3; i++) await field.press('Shift+Enter');
  await field.pressSequentially('two');
  assert.ok((await field.boundingBox()).height > height * 2);
  const press = (extra) => field.evaluate((node, properties) => node.dispatchEvent(new KeyboardEvent(
    'keydown', { key: 'Enter', bubbles: true, cancelable: true, ...properties })), extra);
  await press({ isComposing: true });
  await press({ keyCode: 229 });
  assert.equal(await field.inputValue(), 'one\n\n\ntwo');
  assert.equal(await page.locator('.message').count(), 0);
  await field.press('Enter');
  await answered(page);
  assert.equal(lastRequest(server).messages[0].content, 'one\n\n\ntwo');
});

test('a real composition of Japanese text is not sent by the Enter that ends it', async () => {
  const { page, server } = await start();
  const client = await page.context().newCDPSession(page);
  await page.focus('#message');
  await client.send('Input.imeSetComposition', { text: 'こんにちは', selectionStart: 5, selectionEnd: 5 });
  await client.send('Input.dispatchKeyEvent',
    { type: 'rawKeyDown', key: 'Process', code: 'Enter', windowsVirtualKeyCode: 229 });
  await client.send('Input.insertText', { text: '今日は' });
  assert.equal(await page.inputValue('#message'), '今日は');
  assert.equal(server.requests.length, 0);
  await page.press('#message', 'Enter');
  await answered(page);
  assert.equal(lastRequest(server).messages[0].content, '今日は');
});

for (const [way, act] of [['the button', (page) => page.click('#stop')],
  ['Escape', (page) => page.keyboard.press('Escape')]]) {
  test(`${way} stops the answer, ends the request and keeps what was written`, async () => {
    const { page, server } = await start();
    await say(page, 'SLOW');
    await page.waitForFunction(() => document.querySelector('.answer')?.textContent.includes('word5'));
    await act(page);
    await answered(page);
    assert.match(await proseOf(page).textContent(), /^word1 word2/);
    assert.match(await lastAnswer(page).locator('.stats').textContent(), /Stopped here/);
    for (let i = 0; i < 50 && !server.aborted; i++) await page.waitForTimeout(20);
    assert.equal(server.aborted, 1);
  });
}

test('ArrowUp edits the last message; the old continuation stays behind < 1/2 >', async () => {
  const { page, server } = await start();
  await say(page, 'first');
  await answered(page);
  await page.press('#message', 'ArrowUp');
  const field = page.locator('.bubble textarea');
  assert.equal(await field.inputValue(), 'first');
  await field.fill('second');
  await field.press('Enter');
  await answered(page);
  assert.deepEqual(lastRequest(server).messages, [{ role: 'user', content: 'second' }]);
  assert.match(await proseOf(page).textContent(), /second/);
  assert.equal(await page.locator('.user .versions span').textContent(), '2/2');
  await page.click('.user [aria-label="Previous version"]');
  assert.equal(await page.evaluate(() => document.activeElement.title), 'Next version');
  assert.match(await proseOf(page).textContent(), /first/);
  assert.equal(await page.locator('.user .versions span').textContent(), '1/2');
  await page.reload();
  await page.waitForSelector('.user .versions');
  assert.match(await proseOf(page).textContent(), /first/);
});

test('another answer is a version beside the first', async () => {
  const { page, server } = await start();
  await say(page, 'again');
  await answered(page);
  await page.click('[aria-label="Another answer"]');
  await answered(page);
  assert.equal(await page.locator('.answer .versions span').textContent(), '2/2');
  assert.equal(server.requests.length, 2);
  assert.deepEqual(server.requests[1].messages, server.requests[0].messages);
});

test('a refusal is shown in place and tried again, with nothing lost', async () => {
  const { page, server } = await start();
  server.failures.push({ status: 503, message: 'queue full', headers: { 'Retry-After': '3' } },
    { status: 400, message: 'messages: 9 tokens are more than the context of 8' });
  await say(page, 'please');
  await page.waitForSelector('.failure:visible');
  assert.match(await page.locator('.failure').textContent(), /busy.*wait 3 s/);
  await page.click('.failure button');
  await page.waitForSelector('.failure:has-text("more than the context of 8")');
  await page.reload();
  await page.waitForSelector('.failure:has-text("more than the context of 8")');
  await page.click('.failure button');
  await answered(page);
  assert.match(await proseOf(page).textContent(), /please/);
  assert.equal(await page.locator('.message').count(), 2);
});

test('a connection that breaks keeps what came and says so', async () => {
  const { page } = await start();
  await say(page, 'BREAK abcdefgh');
  await page.waitForSelector('.failure:visible');
  assert.match(await page.locator('.failure').textContent(), /broke before/);
  assert.match(await proseOf(page).textContent(), /^You said:/);
  await page.click('.failure button');
  await page.waitForSelector('.answer .versions:has-text("2/2")');
  await page.waitForSelector('.failure:visible');
});

test('a server that is gone is told, and the message goes once it is back', async () => {
  const { page, server } = await start();
  const { port } = new URL(server.address);
  await server.stop();
  await say(page, 'are you there');
  await page.waitForSelector('.failure:has-text("cannot be reached")');
  await page.waitForSelector('#notice:has-text("cannot be reached")');
  await server.start(Number(port));
  await page.waitForSelector('#notice', { state: 'hidden' });
  await page.click('.failure button');
  await answered(page);
  assert.match(await proseOf(page).textContent(), /are you there/);
});

test('an answer cut by its limit says so', async () => {
  const { page } = await start();
  await say(page, 'LENGTH');
  await answered(page);
  assert.match(await lastAnswer(page).locator('.stats').textContent(), /limit of tokens/);
});

test('a reload in the middle of an answer keeps what was there', async () => {
  const { page } = await start();
  await say(page, 'SLOW');
  await page.waitForFunction(() => document.querySelector('.answer')?.textContent.includes('word12'));
  await page.reload();
  await page.waitForSelector('.answer');
  assert.match(await proseOf(page).textContent(), /word12/);
  assert.match(await lastAnswer(page).locator('.stats').textContent(), /Stopped here/);
  await say(page, 'and on');
  await page.waitForFunction(() => document.querySelectorAll('.answer').length === 2);
  await answered(page);
});

test('the page follows the end only for a reader who is there', async () => {
  const { page } = await start({ viewport: { width: 900, height: 420 } });
  await say(page, 'SLOW');
  const distance = () => page.locator('#scroller').evaluate(
    (node) => node.scrollHeight - node.scrollTop - node.clientHeight);
  await page.waitForFunction(() => document.getElementById('scroller').scrollTop > 150);
  assert.ok(await distance() < 8);
  await page.mouse.move(400, 200);
  await page.mouse.wheel(0, -60);
  await page.waitForTimeout(300);
  const top = await page.locator('#scroller').evaluate((node) => node.scrollTop);
  await page.waitForTimeout(700);
  assert.equal(await page.locator('#scroller').evaluate((node) => node.scrollTop), top);
  await page.click('#to-end');
  await page.waitForTimeout(300);
  assert.ok(await distance() < 8);
  await page.click('#stop');
});

test('thoughts are folded and told apart', async () => {
  const { page, server } = await start();
  await say(page, 'THINK');
  await answered(page);
  const thoughts = page.locator('.thoughts');
  assert.equal(await thoughts.evaluate((node) => node.open), false);
  assert.match(await thoughts.locator('summary').textContent(), /Thought for .* s/);
  await thoughts.locator('summary').click();
  await page.waitForSelector('.thoughts .prose:has-text("Let me see. Yes.")');
  assert.match(await proseOf(page).textContent(), /^You said/);
  await say(page, 'next');
  await page.waitForFunction(() => document.querySelectorAll('.answer').length === 2);
  await answered(page);
  assert.doesNotMatch(JSON.stringify(lastRequest(server).messages), /Let me see/);
});

test('files: counted before sending, warned about, refused when too large or no text, sent with their names', async () => {
  const { page, server } = await start();
  const file = (name, buffer) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(buffer) });
  await page.setInputFiles('#file-input', file('notes.txt', 'alpha beta gamma'));
  await page.waitForSelector('#files li:has-text("16 B, 3 tokens")');
  await page.setInputFiles('#file-input', file('big.txt', 'x '.repeat(1500)));
  await page.waitForSelector('#files-warning:has-text("1,503 of the 2,048 tokens")');
  await page.setInputFiles('#file-input', file('more.txt', 'x '.repeat(1000)));
  await page.waitForSelector('#files-warning.bad:has-text("2,503")');
  await page.click('[aria-label="Remove big.txt"]');
  await page.click('[aria-label="Remove more.txt"]');
  await page.setInputFiles('#file-input', file('huge.txt', Buffer.alloc(1000001, 'a')));
  await page.waitForSelector('#toast:has-text("the limit is 1 MB")');
  await page.setInputFiles('#file-input', file('p.bin', Buffer.from([0, 1, 2])));
  await page.waitForSelector('#toast:has-text("p.bin is not a text file")');
  await say(page, 'sum it up');
  await answered(page);
  assert.equal(lastRequest(server).messages[0].content,
    'notes.txt:\n```\nalpha beta gamma\n```\n\nsum it up');
  assert.match(await page.locator('.file summary').textContent(), /notes\.txt/);
  assert.equal(await page.locator('#files li').count(), 0);
});

test('settings: sampling, system prompt, what cannot be is marked and not sent', async () => {
  const { page, server } = await start();
  await page.click('#open-settings');
  assert.equal(await page.getAttribute('#temperature', 'placeholder'), '0.8');
  assert.equal(await page.getAttribute('#max_tokens', 'placeholder'), '');
  assert.deepEqual(await page.locator('#model option').allTextContents(), ['issun-27m', 'other-7b']);
  await page.fill('#temperature', '0.25');
  await page.fill('#top_k', '7');
  await page.fill('#seed', '11');
  await page.fill('#max_tokens', 'many');
  assert.equal(await page.getAttribute('#max_tokens', 'aria-invalid'), 'true');
  await page.fill('#stop-sequences', 'END\\n');
  await page.fill('#system', 'Speak plainly.');
  await page.check('.check input');
  await page.keyboard.press('Escape');
  await page.selectOption('#model', 'other-7b');
  await say(page, 'x');
  await answered(page);
  const { messages, stream, stream_options: _, ...rest } = lastRequest(server);
  assert.deepEqual(rest, { model: 'other-7b', temperature: 0.25, top_k: 7, seed: 11, stop: ['END\n'] });
  assert.equal(messages[0].content, 'Speak plainly.');
  assert.equal(stream, true);
  await page.reload();
  await page.waitForFunction(() => document.getElementById('model').value === 'other-7b');
  await page.click('#open-settings');
  assert.equal(await page.inputValue('#temperature'), '0.25');
  assert.equal(await page.inputValue('#system'), 'Speak plainly.');
});

test('an API key is asked for, and goes with the tab', async () => {
  const { page, server, context, complaints } = await start();
  server.key = 'secret';
  await say(page, 'x');
  await page.waitForSelector('.failure:has-text("API key")');
  await page.click('.failure button.primary');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'api-key');
  await page.fill('#api-key', 'secret');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  await page.click('.failure button:not(.primary)');
  await answered(page);
  assert.match(await proseOf(page).textContent(), /You said/);
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes('secret')), false);
  const other = await watched(context, server, complaints);
  await other.goto(server.address);
  await other.waitForSelector('#notice:has-text("API key")');
});

test('Japanese by the browser’s language or by choice; the theme by the system’s or by choice', async () => {
  const { page } = await start({ locale: 'ja-JP', colorScheme: 'dark' });
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'ja');
  assert.equal(await page.getAttribute('#send', 'aria-label'), '送信');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.click('#theme');
  assert.notEqual(await ground(), dark);
  await page.click('#open-settings');
  await page.selectOption('#language', 'en');
  assert.equal(await page.textContent('#settings-title'), 'Settings');
  await page.keyboard.press('Escape');
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
});

test('conversations are listed, renamed, deleted and brought back, exported and imported', async () => {
  const { page } = await start();
  await say(page, 'alpha');
  await answered(page);
  await page.keyboard.press('Control+Shift+O');
  await page.waitForSelector('#welcome:visible');
  await say(page, 'beta');
  await answered(page);
  const titles = () => page.locator('.item-title').allTextContents();
  await page.waitForFunction(() => document.querySelectorAll('.item-title').length === 2);
  assert.deepEqual(await titles(), ['beta', 'alpha']);
  await page.fill('#title', 'gamma');
  await page.press('#title', 'Enter');
  await page.waitForSelector('.item-title:has-text("gamma")');
  await page.click('.item-title:has-text("alpha")');
  await page.waitForFunction(() => document.querySelector('.words')?.textContent === 'alpha');
  await page.hover('li:has(.item-title:has-text("alpha"))');
  await page.click('[aria-label="Delete “alpha”"]');
  await page.waitForSelector('#welcome:visible');
  assert.deepEqual(await titles(), ['gamma']);
  await page.click('#toast button');
  await page.waitForFunction(() => document.querySelector('.words')?.textContent === 'alpha');

  await page.click('#open-settings');
  const [download] = await Promise.all([
    page.waitForEvent('download'), page.click('button:has-text("Export all")')]);
  const exported = readFileSync(await download.path());
  await page.click('button:has-text("Delete all conversations")');
  await page.click('#question button.danger');
  await page.waitForFunction(() => !document.querySelector('.item-title'));
  await page.setInputFiles('#import-input', { name: 'e.json', mimeType: 'application/json', buffer: exported });
  await page.waitForFunction(() => document.querySelectorAll('.item-title').length === 2);
  await page.setInputFiles('#import-input', { name: 'e.json', mimeType: 'application/json', buffer: Buffer.from('{}') });
  await page.waitForSelector('#toast:has-text("no exported conversations")');
});

test('an answer goes on while another conversation is open', async () => {
  const { page } = await start();
  await say(page, 'SLOW');
  await page.waitForFunction(() => document.querySelector('.answer')?.textContent.includes('word3'));
  await page.click('#new');
  await page.waitForSelector('.running-dot');
  await say(page, 'quick');
  await answered(page);
  await page.click('.item-title:has-text("SLOW")');
  await page.waitForSelector('#stop:visible');
  const before = (await proseOf(page).textContent()).length;
  await page.waitForTimeout(400);
  assert.ok((await proseOf(page).textContent()).length > before);
  await page.click('#stop');
  await answered(page);
});

test('a conversation deleted while it is answered stays deleted', async () => {
  const { page, server } = await start();
  await say(page, 'SLOW');
  await page.waitForFunction(() => document.querySelector('.answer')?.textContent.includes('word3'));
  await page.hover('#conversations li');
  await page.click('.remove');
  await page.waitForSelector('#welcome:visible');
  await page.waitForTimeout(1300);
  assert.equal(server.aborted, 1);
  await page.reload();
  await page.waitForSelector('#no-conversations:visible');
});

test('two windows write one conversation and lose nothing', async () => {
  const { page, context, server, complaints } = await start();
  await say(page, 'one');
  await answered(page);
  const other = await watched(context, server, complaints);
  await other.goto(page.url());
  await other.waitForSelector('.words');
  await say(other, 'two');
  await answered(other);
  await page.waitForFunction(() => document.querySelectorAll('.message').length === 4);
});

test('a draft survives a reload', async () => {
  const { page } = await start();
  await page.fill('#message', 'not sent yet');
  await page.reload();
  await page.waitForFunction(() => document.getElementById('message').value === 'not sent yet');
});

test('the code of a block is copied', async () => {
  const { page } = await start({ permissions: ['clipboard-read', 'clipboard-write'] });
  await say(page, 'MARKDOWN');
  await answered(page);
  await page.click('.copy-code');
  await page.waitForSelector('.copy-code:has-text("Copied")');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()),
    'int main() { return 0; }  // done');
});

test('360 pixels are wide enough, and the list opens over the page', async () => {
  const { page, server } = await start({ viewport: { width: 360, height: 640 } });
  server.replies.push(`${kMarkdown}${'a'.repeat(300)}\n\n\`\`\`\n${'b '.repeat(200)}\n\`\`\`\n\n|${'c|'.repeat(30)}\n|${'-|'.repeat(30)}\n`);
  await say(page, 'x'.repeat(300));
  await answered(page);
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await overflow(), 360);
  const inside = await page.locator('#messages').evaluate((node) => node.scrollWidth <= node.clientWidth);
  assert.ok(inside);
  await page.click('#open-sidebar');
  await page.waitForFunction(() => document.getElementById('sidebar').getBoundingClientRect().left === 0);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => getComputedStyle(document.getElementById('sidebar')).visibility === 'hidden');
  await page.click('#open-settings');
  assert.equal(await overflow(), 360);
});

test('every text has enough contrast and every control a name, in both themes', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const { page } = await start({ colorScheme });
    await say(page, 'THINK MARKDOWN');
    await answered(page);
    await page.click('.thoughts summary');
    await page.click('#open-settings');
    const found = await page.evaluate(contrastAndNames);
    assert.ok(found.seen > 60, `${found.seen} texts seen`);
    assert.deepEqual(found.bad, [], colorScheme);
  }
});

/** Runs in the page: texts whose contrast is under 4.5, controls without a name. */
function contrastAndNames() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => below.map((value, i) => (i < 3 ? top[i] * top[3] + value * (1 - top[3]) : 1));
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (color) => color.slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const bad = [];
  let seen = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !node.checkVisibility({ visibilityProperty: true })) continue;
    if (node.disabled || node.closest('.hidden, .skip, option')) continue;
    const below = ground(node);
    const [a, b] = [light(over(rgba(getComputedStyle(node).color), below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen++;
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${texts.currentNode.data.trim().slice(0, 30)}`);
  }
  for (const node of document.querySelectorAll('button, input:not([hidden]), textarea, select')) {
    const label = node.getAttribute('aria-label') || node.textContent.trim()
      || (node.labels && [...node.labels].map((each) => each.textContent).join(''));
    if (!label) bad.push(`no name: ${node.outerHTML.slice(0, 80)}`);
  }
  return { bad, seen };
}
