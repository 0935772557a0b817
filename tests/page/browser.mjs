// Starts the page in a real browser against the mock server; used by the tests and the pictures.

import { existsSync } from 'node:fs';
import { MockServer } from './mock_server.mjs';

/** The browser's program, or '' where there is none. */
export function browserProgram() {
  const places = [process.env.ISSUN_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome'];
  return places.find((place) => place && existsSync(place)) || '';
}

export async function startBrowser() {
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath: browserProgram(),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

/**
 * A fresh profile on a fresh server: {page, server, complaints}. Whatever the page says on its
 * console as an error, throws, or asks of another server goes to `complaints`.
 */
export async function openPage(browser, { server = null, hash = '', ...options } = {}) {
  const mock = server || await new MockServer().start();
  const context = await browser.newContext({ locale: 'en-GB', colorScheme: 'light', ...options });
  const complaints = [];
  const page = await watched(context, mock, complaints);
  await page.goto(mock.address + hash);
  await page.waitForFunction(() => document.getElementById('welcome-model').textContent);
  return { page, context, server: mock, complaints };
}

/** Another window of the same profile. */
export async function watched(context, server, complaints) {
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on('pageerror', (error) => complaints.push(`threw: ${error.message}`));
  page.on('console', (message) => {
    const refused = /Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !refused) complaints.push(message.text());
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(server.address) && !/^(data|blob):/.test(url)) complaints.push(`asked ${url}`);
  });
  return page;
}

export async function say(page, text) {
  await page.fill('#message', text);
  await page.press('#message', 'Enter');
}

/** Waits until nothing is being answered. */
export async function answered(page) {
  await page.waitForSelector('.answer[aria-busy="false"]:last-of-type');
  await page.waitForSelector('#stop', { state: 'hidden' });
}
