// Pictures of the page for people to look at: node pictures.mjs FOLDER

import { mkdirSync } from 'node:fs';
import { answered, openPage, say, startBrowser } from './browser.mjs';

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node pictures.mjs FOLDER');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const kEnglish = `The sky is blue because air scatters short waves of light far more strongly than long ones. Sunlight holds all colours; on its way through the air, **blue light is sent in every direction**, while red light goes nearly straight on.

## What matters

1. The strength grows with the *fourth power* of the frequency.
2. Violet is scattered even more, but
   - the sun sends less of it, and
   - our eyes see it less well.
3. At dusk the way is longer, see [the explanation](https://example.org/sky).

| colour | wavelength | scattered |
|:-------|-----------:|----------:|
| red    |     700 nm |       1.0 |
| green  |     530 nm |       3.0 |
| blue   |     450 nm |       5.9 |

\`\`\`python
def scattered(wavelength, reference=700e-9):
    """Strength relative to red light."""
    return (reference / wavelength) ** 4  # Rayleigh

print(f"{scattered(450e-9):.1f}", "a long line that needs to scroll, because code is never wrapped in this page")
\`\`\`

> The formula holds for particles much smaller than the wave. Use \`scattered(450e-9)\` to try it.
`;
const kJapanese = `空が青いのは、空気が**波長の短い光**を強く散らすからです。太陽の光にはすべての色が含まれていますが、大気を通るあいだに青い光はあらゆる方向へ散らされ、赤い光はほぼまっすぐに進みます。

### 大切な点

- 散乱の強さは周波数の四乗に比例します。
- 夕方は光の通り道が長くなるため、**「赤い光」**だけが残ります。

\`\`\`cpp
double scattered(double wavelength) {  // 赤い光に対する強さ
  return std::pow(700e-9 / wavelength, 4);
}
\`\`\`
`;

const browser = await startBrowser();
const opened = [];

async function shoot(name, options, steps) {
  const { page, context, server } = await openPage(browser, options);
  opened.push({ context, server });
  await steps(page, server);
  await page.waitForTimeout(250);
  await page.screenshot({ path: `${folder}/${name}.png` });
  await context.close();
  await server.stop();
}

const wide = { width: 1280, height: 860 };
async function talk(page, server) {
  await say(page, 'How do rainbows differ from this?');
  await answered(page);
  await page.keyboard.press('Control+Shift+O');
  server.replies.push(kEnglish, kEnglish);
  await say(page, 'Why is the sky blue? THINK about it, and explain it with a table and some code.');
  await answered(page);
}
const top = (page) => page.locator('#scroller').evaluate((node) => { node.scrollTop = 0; });

await shoot('welcome', { viewport: wide }, async () => {});
await shoot('light-end', { viewport: wide }, talk);
await shoot('light-middle', { viewport: { width: 1280, height: 1500 } }, async (page, server) => {
  await talk(page, server);
  await page.click('[aria-label="Another answer"]');
  await answered(page);
});
await shoot('dark', { viewport: { width: 1280, height: 1300 }, colorScheme: 'dark' }, talk);
await shoot('dark-error', { viewport: wide, colorScheme: 'dark' }, async (page, server) => {
  server.failures.push({ status: 503, message: 'queue full', headers: { 'Retry-After': '3' } });
  await page.setInputFiles('#file-input', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('a b c') });
  await say(page, 'Sum up the notes, please.');
  await page.waitForSelector('.failure:visible');
  await page.setInputFiles('#file-input', { name: 'long-report.txt', mimeType: 'text/plain', buffer: Buffer.from('a '.repeat(1800)) });
  await page.waitForTimeout(300);
});
await shoot('japanese', { viewport: wide, locale: 'ja-JP' }, async (page, server) => {
  server.replies.push(kJapanese);
  await say(page, 'なぜ空は青いのですか。プログラムでも説明してください。');
  await answered(page);
});
await shoot('japanese-welcome-dark', { viewport: wide, locale: 'ja-JP', colorScheme: 'dark' }, async () => {});
await shoot('settings', { viewport: { width: 1280, height: 1000 } }, async (page) => {
  await page.click('#open-settings');
  await page.fill('#top_p', '2');
});
await shoot('settings-end', { viewport: wide }, async (page) => {
  await talk(page, { replies: [] });
  await page.hover('#conversations li:last-child');
  await page.click('#conversations li:last-child .remove');
  await page.click('#open-settings');
  await page.locator('#settings').evaluate((node) => { node.scrollTop = node.scrollHeight; });
});
await shoot('removed', { viewport: wide }, async (page, server) => {
  await talk(page, server);
  await page.click('.thoughts summary');
  await page.hover('#conversations li:last-child');
  await page.click('#conversations li:last-child .remove');
  await page.hover('.user');
});
await shoot('settings-japanese', { viewport: wide, locale: 'ja-JP', colorScheme: 'dark' }, (page) => page.click('#open-settings'));
await shoot('streaming', { viewport: wide }, async (page) => {
  await say(page, 'SLOW');
  await page.waitForTimeout(3500);
  await page.mouse.move(700, 300);
  await page.mouse.wheel(0, -200);
  await page.waitForTimeout(200);
});
const narrow = { width: 360, height: 720 };
await shoot('narrow', { viewport: narrow, hasTouch: true, isMobile: true }, async (page, server) => {
  await talk(page, server);
  await top(page);
});
await shoot('narrow-end', { viewport: narrow, hasTouch: true, isMobile: true }, talk);
await shoot('narrow-welcome', { viewport: narrow }, async () => {});
await shoot('narrow-list', { viewport: narrow, colorScheme: 'dark' }, async (page, server) => {
  await talk(page, server);
  await page.click('#open-sidebar');
});
await shoot('narrow-settings', { viewport: narrow }, (page) => page.click('#open-settings'));
await shoot('editing', { viewport: wide }, async (page) => {
  await say(page, 'first question');
  await answered(page);
  await page.press('#message', 'ArrowUp');
});
await browser.close();
