// A server for the page's tests: serves the page as the real one does, under the same policy, and
// answers by what the last message asks for. Everything is cut into odd pieces of bytes on its way.

import { readFileSync, readdirSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { fileURLToPath } from 'node:url';

const kPage = fileURLToPath(new URL('../../page/', import.meta.url));
export const kPolicy =
  "default-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const kTypes = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The files of the page by name, as the server has them compiled in. */
export function pageFiles() {
  const names = readdirSync(kPage).filter((name) => /\.(html|js|css|svg)$/.test(name));
  return new Map(names.map((name) => [name, readFileSync(kPage + name)]));
}

export const kMarkdown = `# A heading

Some **bold** text, *emphasis*, \`code\` and [a link](https://example.org/a).

1. first
   - nested **item**
2. second

| name | value |
|:-----|------:|
| a    | 1     |

\`\`\`cpp
int main() { return 0; }  // done
\`\`\`

> quoted
`;

export const kHostile = `<script>window.broken = 1</script>
<img src=x onerror="window.broken = 2">
[click](javascript:window.broken=3) ![x](javascript:window.broken=4) ![y](https://example.org/p.png)
<svg onload="window.broken = 5"> <a href="javascript:window.broken=6">six</a>

\`\`\`"><img src=x onerror=window.broken=7>
</code></pre><script>window.broken = 8</script>
\`\`\`

| <b onmouseover=window.broken=9>a</b> | b |
|---|---|
| <iframe src=javascript:window.broken=10> | c |
`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function json(response, status, value, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function refuse(response, status, message, headers = {}) {
  json(response, status, { error: { message, type: 'test_error', code: status, param: null } }, headers);
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

/** What the answer to the message is: {thoughts, pieces, ms between pieces, breaks}. */
function script(text) {
  const plan = { thoughts: [], pieces: [], ms: 2, breaks: false, finish: 'stop' };
  if (text.includes('THINK')) plan.thoughts = ['Let me ', 'see. ', 'Yes.'];
  if (text.includes('BREAK')) plan.breaks = true;
  if (text.includes('LENGTH')) plan.finish = 'length';
  if (text.includes('MARKDOWN')) plan.pieces = kMarkdown.match(/[\s\S]{1,5}/g);
  else if (text.includes('HOSTILE')) plan.pieces = kHostile.match(/[\s\S]{1,7}/g);
  else if (text.includes('SLOW')) {
    plan.ms = 25;
    for (let i = 1; i <= 400; i++) plan.pieces.push(i % 8 ? `word${i} ` : `word${i}\n\n`);
  } else plan.pieces = ['You ', 'said: ', ...(text.match(/[\s\S]{1,3}/gu) || []), ' 日本語も', '😀。'];
  return plan;
}

export class MockServer {
  requests = [];   // bodies of chat completions
  aborted = 0;     // answers whose reader went away
  failures = [];   // responses to give first: {status, message, headers}
  replies = [];    // texts to answer with, instead of what the message asks for
  key = '';
  contextSize = 2048;
  models = ['issun-27m', 'other-7b'];
  upstream = null; // {host, port} of a server that answers in place of the mock
  files = pageFiles();

  async start(port = 0) {
    this.server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => refuse(response, 500, String(error)));
    });
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.address = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, this.address);
    const name = pathname === '/' ? 'index.html' : pathname.replace(/^\/page\//, '');
    if (request.method === 'GET' && (pathname === '/' || pathname.startsWith('/page/'))) {
      const file = this.files.get(name);
      if (!file) return refuse(response, 404, `no ${pathname}`);
      response.writeHead(200, {
        'Content-Type': kTypes[name.split('.').pop()],
        'Content-Security-Policy': kPolicy,
        'X-Content-Type-Options': 'nosniff',
      });
      return response.end(file);
    }
    if (this.upstream) return this.#forward(request, response);
    if (this.key && request.headers.authorization !== `Bearer ${this.key}`) {
      return refuse(response, 401, 'Invalid API Key');
    }
    if (pathname === '/v1/models') {
      const embedder = { id: 'embedder', meta: { embedding: true } };
      const data = [...this.models.map((id) => ({ id, meta: { n_ctx: this.contextSize } })), embedder];
      return json(response, 200, { object: 'list', data });
    }
    if (pathname === '/props') {
      return json(response, 200, {
        default_generation_settings: { n_ctx: this.contextSize, params: { temperature: 0.8, top_k: 40, max_tokens: -1 } },
        chat_template: '', model_path: 'model.gguf',
      });
    }
    if (pathname === '/tokenize') {
      const { content } = await bodyOf(request);
      return json(response, 200, { tokens: content.split(/\s+/).filter(Boolean).map((_, i) => i) });
    }
    if (pathname !== '/v1/chat/completions') return refuse(response, 404, `no ${pathname}`);
    const body = await bodyOf(request);
    this.requests.push(body);
    const failure = this.failures.shift();
    if (failure) return refuse(response, failure.status, failure.message, failure.headers);
    return this.#stream(response, body);
  }

  #forward(request, response) {
    const { method, url, headers } = request;
    const there = ask({ ...this.upstream, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    there.on('error', () => response.destroy());
    response.on('close', () => there.destroy());
    request.pipe(there);
  }

  async #stream(response, body) {
    const reply = this.replies.shift();
    const plan = script(body.messages[body.messages.length - 1].content);
    if (reply) plan.pieces = reply.match(/[\s\S]{1,4}/gu);
    let open = true;
    response.on('close', () => {
      if (!response.writableEnded && !plan.breaks) this.aborted++;
      open = false;
    });
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    let cut = 1;
    const write = (text) => {
      let bytes = Buffer.from(text);
      while (open && bytes.length) {  // 1, 2, ... 13 bytes: inside characters and line ends too
        response.write(bytes.subarray(0, cut));
        bytes = bytes.subarray(cut);
        cut = (cut % 13) + 1;
      }
    };
    const event = (value) => write(`data: ${JSON.stringify({ model: body.model, ...value })}\r\n\r\n`);
    const delta = (fields, finish = null) =>
      event({ choices: [{ index: 0, delta: fields, finish_reason: finish }] });
    write(': reading 512/1024\n\n');
    await pause(5);
    delta({ role: 'assistant', content: '' });
    for (const text of plan.thoughts) {
      delta({ reasoning_content: text });
      await pause(40);
    }
    let written = 0;
    for (const text of plan.pieces) {
      if (!open) return;
      delta({ content: text });
      await pause(plan.ms);
      if (plan.breaks && ++written === 3) {
        await pause(200);  // what was written must have gone out, for a test that counts on it
        return response.destroy();
      }
    }
    delta({}, plan.finish);
    event({
      choices: [],
      usage: {
        prompt_tokens: 1024, completion_tokens: plan.pieces.length,
        prompt_tokens_details: { cached_tokens: 983 },
      },
      timings: { prompt_per_second: 800, predicted_per_second: 42.5, cache_n: 983, prompt_n: 41 },
    });
    write('data: [DONE]\n\n');
    response.end();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await new MockServer().start(Number(process.argv[2]) || 0);
  console.log(server.address);
}
