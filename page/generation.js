// One answer on its way: runs the request, writes what arrives into its node, and ends as done,
// stopped or failed. What was written stays, however it ends.

import { ApiError, streamChat } from './api.js';

export class Generation {
  /** `onChange(generation)` is called after everything that changes what people see. */
  constructor({ conversation, node, body, key, onChange }) {
    Object.assign(this, { conversation, node, body, key, onChange });
    this.abort = new AbortController();
    this.started = performance.now();
    this.firstToken = 0;  // ms, of the clock of `started`
    this.pieces = 0;      // deltas so far: about one a token
    this.progress = null; // {done, total} tokens of the prompt, when the server says so
    this.thinkingSince = 0;
  }

  stop() {
    this.abort.abort();
  }

  /** Tokens a second so far, by this page's clock; 0 before there is enough to tell. */
  liveSpeed() {
    const seconds = (performance.now() - this.firstToken) / 1000;
    return this.firstToken && this.pieces > 4 && seconds > 0.5 ? (this.pieces - 1) / seconds : 0;
  }

  /** Runs to the end; never throws. */
  async run() {
    const { node } = this;
    let ended = false;
    try {
      for await (const event of streamChat(this.body, { key: this.key, signal: this.abort.signal })) {
        if (event.comment !== undefined) this.#comment(event.comment);
        else if (event.done) ended = true;
        else this.#chunk(event.chunk);
        if (event.done) break;
      }
      if (!ended && !node.finish) throw new ApiError('', { status: 0, code: 'cut' });
      this.#end('done');
    } catch (error) {
      if (this.abort.signal.aborted) {
        this.#end('stopped');
      } else {
        const { message, status = 0, code = 'page', retryAfter = 0 } = error;
        // A connection that broke before anything came was never there.
        const shown = code === 'cut' && !node.content && !node.reasoning ? '' : code;
        node.error = { message, status, code: shown, retryAfter };
        this.#end('failed');
      }
    }
  }

  #end(state) {
    this.#endThinking();
    const seconds = (performance.now() - this.firstToken) / 1000;
    if (!this.node.speed && this.firstToken && this.pieces > 1 && seconds > 0) {
      const tokens = this.node.usage ? this.node.usage.completion : this.pieces;
      this.node.speed = Math.max(0, tokens - 1) / seconds;
    }
    this.node.state = state;
    this.#changed();
  }

  #changed() {
    this.node.changed = Date.now();
    this.conversation.changed = this.node.changed;
    this.onChange(this);
  }

  #comment(text) {
    const found = /(\d+)\s*(?:\/|of)\s*(\d+)/.exec(text);
    if (found) this.progress = { done: Number(found[1]), total: Number(found[2]) };
    this.onChange(this);
  }

  #chunk(chunk) {
    const { node } = this;
    const choice = (chunk.choices || [])[0];
    if (choice) {
      const delta = choice.delta || {};
      if (delta.reasoning_content) this.#think(String(delta.reasoning_content));
      if (delta.content) this.#write(String(delta.content));
      if (choice.finish_reason) node.finish = String(choice.finish_reason);
    }
    if (chunk.model) node.model = String(chunk.model);
    if (chunk.usage) {
      const details = chunk.usage.prompt_tokens_details || {};
      node.usage = {
        prompt: Number(chunk.usage.prompt_tokens) || 0,
        completion: Number(chunk.usage.completion_tokens) || 0,
        cached: Number(details.cached_tokens) || 0,
      };
    }
    if (chunk.timings) node.speed = Number(chunk.timings.predicted_per_second) || 0;
    this.#changed();
  }

  #think(text) {
    this.thinkingSince ||= performance.now();
    this.#count();
    this.node.reasoning += text;
  }

  #write(text) {
    this.#endThinking();
    this.#count();
    this.node.content += text;
  }

  #count() {
    this.firstToken ||= performance.now();
    this.pieces++;
  }

  #endThinking() {
    if (!this.thinkingSince || this.node.thinkingMs) return;
    this.node.thinkingMs = Math.max(1, Math.round(performance.now() - this.thinkingSince));
  }
}
