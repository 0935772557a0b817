// The page as the real program gives it, talking with a real model: ISSUN_BINARY (and ISSUN_MODEL).
// With ISSUN_PAGE_FILES=1 the page's files come from page/ in place of those in the program.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { answered, openPage, say, startBrowser } from './browser.mjs';
import { kPolicy, MockServer, pageFiles } from './mock_server.mjs';

const kModel = process.env.ISSUN_MODEL
  || fileURLToPath(new URL('../../models/issun-27m.gguf', import.meta.url));
const fromFiles = process.env.ISSUN_PAGE_FILES === '1';

let browser;
let program;
let address;
let front = null;

function startProgram() {
  const binary = process.env.ISSUN_BINARY;
  assert.ok(binary, 'ISSUN_BINARY: expected the program');
  program = spawn(binary, ['serve', kModel, '--port', '0', '--alias', 'the-model', '-c', '512']);
  return new Promise((resolve, reject) => {
    let said = '';
    program.on('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)));
    program.stderr.on('data', (data) => {
      said += data;
      const found = /at http:\/\/[^ ]*:(\d+)/.exec(said);
      if (found) resolve(Number(found[1]));
    });
  });
}

before(async () => {
  const port = await startProgram();
  address = `http://127.0.0.1:${port}/`;
  if (fromFiles) {
    front = await new MockServer().start();
    front.upstream = { host: '127.0.0.1', port };
    address = front.address;
  }
  browser = await startBrowser();
});
after(async () => {
  if (browser) await browser.close();
  if (front) await front.stop();
  program.removeAllListeners('exit');
  program.kill('SIGKILL');
});

test('every file of the page is given as it is, under the policy', async () => {
  for (const [name, bytes] of pageFiles()) {
    const answer = await fetch(address + (name === 'index.html' ? '' : `page/${name}`));
    assert.equal(answer.status, 200, name);
    assert.equal(answer.headers.get('content-security-policy'), kPolicy, name);
    assert.match(answer.headers.get('content-type'), /^(text|image)\//, name);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes, name);
  }
});

test('a real model answers, is stopped, and finds its prompt in the cache', async () => {
  const { page, context, complaints } = await openPage(browser, { server: { address } });
  page.setDefaultTimeout(120000);
  assert.match(await page.textContent('#welcome-model'), /^the-model .* 512 tokens/);
  await page.click('#open-settings');
  await page.fill('#max_tokens', '12');
  await page.fill('#temperature', '0');
  await page.fill('#stop-sequences', 'zzzz');
  await page.fill('#system', 'You answer briefly.');
  await page.keyboard.press('Escape');
  await say(page, 'What is the capital of Japan?');
  await answered(page);
  const stats = page.locator('.answer .stats');
  const prose = page.locator('.answer .prose').last();
  const first = await prose.textContent();
  assert.ok(first.length > 3, first);
  assert.match(await stats.textContent(), /tokens\/s.*prompt \d+ tokens.*cached/);
  await page.click('[aria-label="Another answer"]');
  await page.waitForSelector('.answer .versions');
  await answered(page);
  assert.equal(await prose.textContent(), first);
  const cached = Number(/(\d+)% cached/.exec(await stats.textContent())[1]);
  assert.ok(cached > 50, `${cached} % cached`);

  await page.click('#open-settings');
  await page.fill('#max_tokens', '');
  await page.keyboard.press('Escape');
  await say(page, 'Tell me a long story.');
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.answer .prose')].pop().textContent.length > 10);
  await page.keyboard.press('Escape');
  await answered(page);
  await page.setInputFiles('#file-input',
    { name: 'long.txt', mimeType: 'text/plain', buffer: Buffer.from('word and word '.repeat(400)) });
  await page.waitForSelector('#files-warning.bad');
  await page.waitForSelector('#files li:has-text(" kB, ")');
  await say(page, 'Sum this up.');
  await page.waitForSelector('.failure:visible');
  assert.match(await page.locator('.failure:visible').textContent(), /400.*512/s);
  assert.deepEqual(complaints, []);
  await context.close();
});
