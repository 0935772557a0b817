// The clients that people use, against a running server: the openai and ollama packages of npm, and
// answers held against the published description of the OpenAI API where it is at hand.
// Environment: ISSUN_URL of a server with issun-27m and issun-embed; ISSUN_OPENAPI (optional).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import Ajv from "ajv/dist/2020.js";
import { Ollama } from "ollama";
import OpenAI from "openai";

const url = process.env.ISSUN_URL;
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const ollama = new Ollama({ host: url });
const messages = [{ role: "user", content: 'Repeat the word "lantern".' }];
const model = "issun-27m";
const embedder = "issun-embed";

// Whether `value` is what the description calls `name`; nothing to hold against without it.
const described = (() => {
  if (!process.env.ISSUN_OPENAPI) return () => {};
  // "nullable" of OpenAPI 3.0, which JSON Schema says as a choice.
  const modern = (node) => {
    if (Array.isArray(node)) return node.map(modern);
    if (node === null || typeof node !== "object") return node;
    const { nullable, ...rest } = node;
    const same = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, modern(value)]));
    return nullable === true ? { anyOf: [same, { type: "null" }] } : same;
  };
  const api = modern(JSON.parse(readFileSync(process.env.ISSUN_OPENAPI, "utf8")));
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false, discriminator: false });
  ajv.addSchema(api, "api");
  // Of a choice by "type", the one that it names.
  const named = (name, type) => {
    const choices = api.components.schemas[name].anyOf?.map((one) => one.$ref?.split("/").pop()) ?? [];
    return choices.find((one) => api.components.schemas[one]?.properties?.type?.enum?.includes(type)) ?? name;
  };
  return (value, general) => {
    const name = named(general, value.type);
    const check = ajv.getSchema(`api#/components/schemas/${name}`);
    assert.ok(check, `the description has no ${name}`);
    // As it goes over the wire.
    const plain = JSON.parse(JSON.stringify(value));
    assert.ok(check(plain), `${name}: ${ajv.errorsText(check.errors)}`);
  };
})();

const raw = async (path, body) => (await fetch(`${url}${path}`, {
  method: body ? "POST" : "GET",
  headers: { "Content-Type": "application/json" },
  body: body && JSON.stringify(body),
})).json();

test("openai: chat, whole and streamed", async () => {
  const whole = await openai.chat.completions.create({ model, messages, temperature: 0, max_tokens: 20 });
  described(await raw("/v1/chat/completions", { messages, max_tokens: 4, logprobs: true, top_logprobs: 2 }),
    "CreateChatCompletionResponse");
  const said = whole.choices[0].message.content;
  assert.ok(said.length > 0);
  const stream = await openai.chat.completions.create({
    model, messages, temperature: 0, max_tokens: 20, stream: true, stream_options: { include_usage: true },
  });
  let text = "";
  let usage;
  for await (const chunk of stream) {
    described(chunk, "CreateChatCompletionStreamResponse");
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, said);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("openai: an answer in a shape that was asked for", async () => {
  const answer = await openai.chat.completions.create({
    model, messages, temperature: 0, max_tokens: 40,
    response_format: { type: "json_schema", json_schema: { name: "w", schema: { enum: ["harbour", "candle"] } } },
  });
  assert.ok(["harbour", "candle"].includes(JSON.parse(answer.choices[0].message.content)));
});

test("openai: completions, models, errors", async () => {
  const made = await openai.completions.create({ model, prompt: ["Once", "There was"], max_tokens: 5, n: 2 });
  described(await raw("/v1/completions", { prompt: "Once", max_tokens: 4, logprobs: 2 }), "CreateCompletionResponse");
  assert.deepEqual(made.choices.map((choice) => choice.index), [0, 1, 2, 3]);
  const models = await openai.models.list();
  assert.equal(models.data[0].id, model);
  described(await raw("/v1/models"), "ListModelsResponse");
  await assert.rejects(openai.chat.completions.create({ model: "gpt-9", messages }),
    (error) => error.status === 404 && error.code === "model_not_found");
  await assert.rejects(openai.chat.completions.create({ model, messages, temperature: "hot" }),
    (error) => error.status === 400 && error.param === "temperature");
});

test("openai: responses, whole and streamed", async () => {
  const whole = await openai.responses.create({ model, input: messages[0].content, temperature: 0, max_output_tokens: 20 });
  described(await raw("/v1/responses", { model, input: "Say hello.", max_output_tokens: 4 }), "Response");
  let text = "";
  for await (const event of await openai.responses.create({
    model, input: messages[0].content, temperature: 0, max_output_tokens: 20, stream: true,
  })) {
    described(event, "ResponseStreamEvent");
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.ok(whole.output_text.length > 0);
  assert.equal(text, whole.output_text);
});

test("openai: embeddings, as numbers and packed", async () => {
  const vectors = await openai.embeddings.create({ model: embedder, input: ["a lantern", "灯台"] });
  const plain = await openai.embeddings.create({ model: embedder, input: ["a lantern", "灯台"], encoding_format: "float" });
  described(await raw("/v1/embeddings", { input: "a lantern" }), "CreateEmbeddingResponse");
  vectors.data[1].embedding.forEach((value, i) =>
    assert.ok(Math.abs(value - plain.data[1].embedding[i]) < 1e-6));
});

test("ollama: chat, generate, embed, show, list", async () => {
  const options = { temperature: 0, num_predict: 20 };
  const whole = await ollama.chat({ model, messages, options });
  let text = "";
  for await (const part of await ollama.chat({ model, messages, options, stream: true })) text += part.message.content;
  assert.equal(text, whole.message.content);
  const made = await ollama.generate({ model, prompt: messages[0].content, options });
  assert.equal(made.response, whole.message.content);
  const { embeddings } = await ollama.embed({ model: embedder, input: ["a", "b"] });
  assert.equal(embeddings.length, 2);
  assert.ok((await ollama.show({ model })).capabilities.includes("completion"));
  assert.ok((await ollama.list()).models.some((one) => one.name.startsWith(model)));
  await assert.rejects(ollama.chat({ model: "llama9", messages }), /not found/);
});
