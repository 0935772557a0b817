// Talks to the server: models, properties, and answers as a stream of server-sent events.

/** What the server refused or could not do. `status` 0 means that it was not reached. */
export class ApiError extends Error {
  constructor(message, { status = 0, type = '', code = '', retryAfter = 0 } = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.type = type;
    this.code = code === null || code === undefined ? '' : String(code);
    this.retryAfter = retryAfter;
  }
}

/**
 * Server-sent events from bytes that may be cut anywhere, inside a character or between CR and LF
 * too. `push` returns what the bytes completed: {data} or {comment}.
 * Source: the section "Server-sent events" of the HTML standard.
 */
export class EventReader {
  #decoder = new TextDecoder();
  #line = '';
  #data = [];
  #afterReturn = false;

  push(bytes) {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The end of the stream; an event without its blank line was cut and does not count. */
  end() {
    return this.#take(this.#decoder.decode());
  }

  #take(text) {
    const events = [];
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (this.#afterReturn) {
        this.#afterReturn = false;
        if (c === '\n') {
          start = i + 1;
          continue;
        }
      }
      if (c !== '\n' && c !== '\r') continue;
      this.#afterReturn = c === '\r';
      this.#endLine(this.#line + text.slice(start, i), events);
      this.#line = '';
      start = i + 1;
    }
    this.#line += text.slice(start);
    return events;
  }

  #endLine(line, events) {
    if (line === '') {
      if (this.#data.length) events.push({ data: this.#data.join('\n') });
      this.#data = [];
    } else if (line[0] === ':') {
      events.push({ comment: line.slice(1).trim() });
    } else if (line === 'data' || line.startsWith('data:')) {
      const value = line.slice(5);
      this.#data.push(value[0] === ' ' ? value.slice(1) : value);
    }
  }
}

/** An ApiError from an object {message, type, code} as the server sends it. */
export function errorFrom(object, status, retryAfter = 0) {
  const error = object && typeof object === 'object' ? object : { message: object };
  return new ApiError(String(error.message || `HTTP ${status}`), {
    status,
    type: String(error.type || ''),
    code: error.code,
    retryAfter,
  });
}

async function refusal(response) {
  let body = null;
  try {
    body = JSON.parse(await response.text());
  } catch {
    // Not JSON: the status says it all.
  }
  const wait = Number(response.headers.get('retry-after'));
  return errorFrom(body && body.error, response.status, wait > 0 ? wait : 0);
}

/** fetch with the key; throws ApiError for everything but success, AbortError when stopped. */
async function request(path, { key = '', body = null, signal } = {}) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), {
      method: body ? 'POST' : 'GET',
      headers,
      body: body ? JSON.stringify(body) : undefined,
      signal,
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('', { status: 0 });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** The names of the models that the server offers and that write; others make embeddings. */
export async function listModels(options) {
  const list = await (await request('v1/models', options)).json();
  const models = Array.isArray(list.data) ? list.data : [];
  return models.filter(({ meta }) => !(meta && meta.embedding)).map(({ id }) => String(id));
}

/** What /props says: {contextSize (tokens, 0 when unknown), defaults of sampling by name}. */
export async function properties(options) {
  const props = await (await request('props', options)).json();
  const settings = props.default_generation_settings || {};
  return {
    contextSize: Number(settings.n_ctx) || 0,
    defaults: { ...settings, ...(settings.params || {}) },
  };
}

/** How many tokens the text has, by the server's own tokenizer. */
export async function countTokens(text, options) {
  const body = { content: text };
  const answer = await (await request('tokenize', { ...options, body })).json();
  if (!Array.isArray(answer.tokens)) throw new ApiError('no tokens', { status: 200 });
  return answer.tokens.length;
}

/**
 * The events of one streamed answer: {chunk} parsed JSON, {comment}, and {done: true} at the mark
 * of the end. A server that answers at once, without a stream, gives one chunk. Throws ApiError for
 * refusals, errors within the stream and a stream that breaks.
 */
export async function* streamChat(body, { key, signal }) {
  const response = await request('v1/chat/completions', { key, signal, body });
  if (!(response.headers.get('content-type') || '').includes('event-stream')) {
    const whole = await response.json();
    for (const choice of whole.choices || []) choice.delta = choice.message;
    yield { chunk: whole };
    yield { done: true };
    return;
  }
  const events = new EventReader();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await read(reader);
      for (const event of done ? events.end() : events.push(value)) yield parsed(event);
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('', { status: 0, code: 'cut' });
  }
}

function parsed(event) {
  if (event.comment !== undefined) return event;
  if (event.data === '[DONE]') return { done: true };
  let chunk;
  try {
    chunk = JSON.parse(event.data);
  } catch {
    throw new ApiError(`not JSON: ${event.data.slice(0, 80)}`, { status: 200, code: 'malformed' });
  }
  if (chunk && chunk.error) throw errorFrom(chunk.error, Number(chunk.error.code) || 500);
  return { chunk };
}
