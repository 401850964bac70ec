/** The official client for Node. */

import assert from "node:assert/strict";

import OpenAI from "openai";
import {
  zodFunction,
  zodResponseFormat,
  zodResponsesFunction,
  zodTextFormat,
} from "openai/helpers/zod";
import { z } from "zod";

import { BASE_URL, SLOW_BASE_URL, check, report } from "./checks.mjs";

const model = "gpt-4o";
const options = { apiKey: "x", maxRetries: 0 };
const client = new OpenAI({ baseURL: BASE_URL, ...options });
const slow = new OpenAI({ baseURL: SLOW_BASE_URL, ...options });

const Weather = z.object({ city: z.string(), days: z.number().int().min(1).max(14) });
const Review = z.object({
  summary: z.string(),
  approved: z.boolean(),
  severity: z.enum(["low", "high"]),
  findings: z.array(z.object({ file: z.string(), line: z.number().int().positive() })).min(1),
  note: z.string().nullable(),
});
const weather = zodFunction({ name: "get_weather", parameters: Weather });

/** A tool that keeps what it was asked. */
function remembering(asked) {
  return zodFunction({
    name: "get_weather",
    parameters: Weather,
    function: (given) => {
      asked.push(Weather.parse(given));
      return "18 degrees";
    },
  });
}

const user = (content) => ({ role: "user", content });

check("chat", async () => {
  const completion = await client.chat.completions.create({ model, messages: [user("one two")] });
  assert.equal(completion.choices[0].message.content, "one two");
  assert.equal(completion.choices[0].finish_reason, "stop");
  assert.equal(completion.usage.total_tokens, 4);
  assert.match(completion._request_id, /^req_/);
});

check("chat, headers", async () => {
  const { response } = await client.chat.completions
    .create({ model, messages: [user("hi")] })
    .withResponse();
  assert.equal(response.headers.get("openai-version"), "2020-10-01");
  assert.ok(Number(response.headers.get("x-ratelimit-remaining-requests")) > 0);
});

check("chat, streamed with usage", async () => {
  const stream = await client.chat.completions.create({
    model,
    messages: [user("one two three")],
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.total_tokens, 8);
  assert.ok(chunks.every((chunk) => chunk.usage === null));
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  assert.equal(text, "one two three");
});

check("chat, stream helper", async () => {
  const stream = client.chat.completions.stream({ model, messages: [user("one two three")] });
  const deltas = [];
  stream.on("content", (delta) => deltas.push(delta));
  assert.equal(await stream.finalContent(), "one two three");
  assert.deepEqual(deltas.filter(Boolean), ["one ", "two ", "three"]);
});

check("chat, tools looped by the client", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    model,
    messages: [user("Ask get_weather, please.")],
    tools: [remembering(asked)],
  });
  assert.equal(await runner.finalContent(), "Ask get_weather, please.");
  assert.equal(asked.length, 1);
});

check("chat, tools looped in streams", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    model,
    stream: true,
    messages: [user("Ask get_weather, please.")],
    tools: [remembering(asked)],
  });
  assert.equal(await runner.finalContent(), "Ask get_weather, please.");
  assert.equal(asked.length, 1);
});

check("chat, streamed call", async () => {
  const stream = client.chat.completions.stream({
    model,
    messages: [user("Hello!")],
    tools: [weather],
    tool_choice: "required",
  });
  let written = "";
  stream.on("tool_calls.function.arguments.delta", (event) => {
    written += event.arguments_delta;
  });
  const completion = await stream.finalChatCompletion();
  const [call] = completion.choices[0].message.tool_calls;
  assert.equal(completion.choices[0].finish_reason, "tool_calls");
  assert.equal(call.function.arguments, written);
  assert.deepEqual(call.function.parsed_arguments, Weather.parse(JSON.parse(written)));
});

check("chat, parsed", async () => {
  const completion = await client.chat.completions.parse({
    model,
    messages: [user("Review this.")],
    response_format: zodResponseFormat(Review, "review"),
  });
  Review.parse(completion.choices[0].message.parsed);
});

check("chat, parsed stream", async () => {
  const stream = client.chat.completions.stream({
    model,
    messages: [user("Review this.")],
    response_format: zodResponseFormat(Review, "review"),
  });
  const completion = await stream.finalChatCompletion();
  Review.parse(completion.choices[0].message.parsed);
});

check("chat, aborted", async () => {
  const stream = await slow.chat.completions.create({
    model: "aborted-by-openai",
    messages: [user("word ".repeat(100))],
    stream: true,
  });
  let seen = 0;
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content && ++seen === 3) stream.controller.abort();
  }
  assert.ok(seen < 20, `${seen} words came`);
});

check("chat, left early", async () => {
  const stream = await slow.chat.completions.create({
    model: "left-by-openai",
    messages: [user("word ".repeat(100))],
    stream: true,
  });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) break;
  }
});

check("chat, error", async () => {
  await assert.rejects(client.chat.completions.create({ model, messages: [] }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "messages");
    assert.equal(error.code, "empty_array");
    assert.match(error.requestID, /^req_/);
    return true;
  });
});

check("chat, stored", async () => {
  const metadata = { topic: "node" };
  const made = await client.chat.completions.create({
    model,
    messages: [user("keep me")],
    store: true,
    metadata,
  });
  const listed = [];
  for await (const one of client.chat.completions.list({ metadata })) listed.push(one.id);
  assert.deepEqual(listed, [made.id]);
  const messages = await client.chat.completions.messages.list(made.id);
  assert.equal(messages.data[0].content, "keep me");
  assert.ok((await client.chat.completions.delete(made.id)).deleted);
});

check("responses", async () => {
  const response = await client.responses.create({ model, input: "one two" });
  assert.equal(response.output_text, "one two");
  assert.equal(response.status, "completed");
  assert.equal((await client.responses.retrieve(response.id)).output_text, "one two");
});

check("responses, streamed", async () => {
  const stream = client.responses.stream({ model, input: "one two three" });
  const deltas = [];
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") deltas.push(event.delta);
  }
  assert.deepEqual(deltas, ["one ", "two ", "three"]);
  assert.equal((await stream.finalResponse()).output_text, "one two three");
});

check("responses, parsed", async () => {
  const response = await client.responses.parse({
    model,
    input: "Review this.",
    text: { format: zodTextFormat(Review, "review") },
  });
  Review.parse(response.output_parsed);
});

check("responses, tools", async () => {
  const tools = [zodResponsesFunction({ name: "get_weather", parameters: Weather })];
  const stream = client.responses.stream({ model, input: "Ask get_weather, please.", tools });
  const first = await stream.finalResponse();
  const [call] = first.output;
  Weather.parse(call.parsed_arguments);
  const second = await client.responses.create({
    model,
    tools,
    previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "18 degrees" }],
  });
  assert.equal(second.output_text, "Ask get_weather, please.");
});

check("responses, aborted", async () => {
  const stream = await slow.responses.create({
    model: "aborted-by-openai-responses",
    input: "word ".repeat(100),
    stream: true,
  });
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") stream.controller.abort();
  }
});

check("completions, streamed", async () => {
  const stream = await client.completions.create({
    model: "gpt-3.5-turbo-instruct",
    prompt: "one two three",
    stream: true,
  });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0].text;
  assert.equal(text, "one two three");
});

check("embeddings", async () => {
  const asked = { model: "text-embedding-3-small", input: ["a cat", "a dog"] };
  const packed = await client.embeddings.create(asked); // base64, unpacked by the client
  const plain = await client.embeddings.create({ ...asked, encoding_format: "float" });
  assert.equal(packed.data[0].embedding.length, 1536);
  assert.deepEqual(
    packed.data.map((one) => Array.from(one.embedding)),
    plain.data.map((one) => one.embedding),
  );
});

check("moderations", async () => {
  const moderated = await client.moderations.create({ input: ["hello", "[flag:violence]"] });
  assert.deepEqual(
    moderated.results.map((result) => result.flagged),
    [false, true],
  );
});

check("models", async () => {
  const names = [];
  for await (const one of client.models.list()) names.push(one.id);
  assert.ok(names.includes(model));
  assert.equal((await client.models.retrieve(model)).id, model);
});

await report();
