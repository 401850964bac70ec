/** Vercel's AI SDK, with its provider for OpenAI and the one for whatever is compatible. */

import assert from "node:assert/strict";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  Output,
  embedMany,
  generateObject,
  generateText,
  stepCountIs,
  streamObject,
  streamText,
  tool,
} from "ai";
import { z } from "zod";

import { BASE_URL, SLOW_BASE_URL, check, report } from "./checks.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const apiKey = "x";
const openaiAt = (baseURL) => createOpenAI({ apiKey, baseURL });
const compatibleAt = (baseURL) =>
  createOpenAICompatible({
    apiKey,
    baseURL,
    name: "mock",
    includeUsage: true,
    supportsStructuredOutputs: true,
  });

/** By kind: from the address of a server to a function that makes a model of a name. */
const MODELS = {
  chat: (baseURL) => openaiAt(baseURL).chat,
  responses: (baseURL) => openaiAt(baseURL).responses,
  compatible: (baseURL) => compatibleAt(baseURL).chatModel,
};

const Weather = z.object({ city: z.string(), days: z.number().int().min(1).max(14) });
const Review = z.object({
  summary: z.string(),
  approved: z.boolean(),
  severity: z.enum(["low", "high"]),
  findings: z.array(z.object({ file: z.string(), line: z.number().int().positive() })).min(1),
  note: z.string().nullable(),
});
const ASK = "Ask get_weather, please.";

/** A tool that keeps what it was asked. */
function weather(asked) {
  return tool({
    description: "The weather of the next days",
    inputSchema: Weather,
    execute: async (given) => {
      asked.push(given);
      return "18 degrees";
    },
  });
}

/** An `onError` that keeps the errors, which a stream would else only log. */
function kept(errors) {
  return ({ error }) => {
    errors.push(error);
  };
}

for (const [kind, modelAt] of Object.entries(MODELS)) {
  const options = { model: modelAt(BASE_URL)("gpt-4o"), maxRetries: 0 };

  check(`${kind}, generateText`, async () => {
    const result = await generateText({ ...options, system: "Be brief.", prompt: "one two" });
    assert.equal(result.text, "one two");
    assert.equal(result.finishReason, "stop");
    assert.equal(result.usage.outputTokens, 2);
  });

  check(`${kind}, streamText`, async () => {
    const errors = [];
    const result = streamText({ ...options, prompt: "one two three", onError: kept(errors) });
    const deltas = [];
    for await (const delta of result.textStream) deltas.push(delta);
    assert.deepEqual(errors, []);
    assert.deepEqual(deltas.filter(Boolean), ["one ", "two ", "three"]);
    assert.equal(await result.finishReason, "stop");
    const usage = await result.usage;
    assert.equal(usage.outputTokens, 4);
    assert.equal(usage.totalTokens, usage.inputTokens + 4);
  });

  check(`${kind}, a further turn`, async () => {
    const asked = { role: "user", content: "one two" };
    const first = await generateText({ ...options, messages: [asked] });
    const second = await generateText({
      ...options,
      messages: [asked, ...first.response.messages, { role: "user", content: "three" }],
    });
    assert.equal(second.text, "three");
    assert.equal(second.usage.inputTokens, 5); // of 19 characters, whoever said them
  });

  check(`${kind}, generateText with tools`, async () => {
    const asked = [];
    const result = await generateText({
      ...options,
      prompt: ASK,
      tools: { get_weather: weather(asked) },
      stopWhen: stepCountIs(5),
    });
    assert.equal(asked.length, 1);
    Weather.parse(asked[0]);
    assert.equal(result.text, ASK);
    assert.deepEqual(
      result.steps.map((step) => step.finishReason),
      ["tool-calls", "stop"],
    );
  });

  check(`${kind}, streamText with tools`, async () => {
    const asked = [];
    const errors = [];
    const result = streamText({
      ...options,
      prompt: ASK,
      tools: { get_weather: weather(asked) },
      stopWhen: stepCountIs(5),
      onError: kept(errors),
    });
    let written = "";
    const kinds = [];
    for await (const part of result.fullStream) {
      if (part.type === "tool-input-delta") written += part.delta;
      kinds.push(part.type);
    }
    assert.deepEqual(errors, []);
    assert.equal(asked.length, 1);
    assert.deepEqual(JSON.parse(written), asked[0]);
    assert.equal(await result.text, ASK);
    assert.ok(kinds.filter((one) => one === "tool-input-delta").length > 1, "in one piece");
    assert.equal(kinds.filter((one) => one === "tool-call").length, 1);
  });

  check(`${kind}, toolChoice required`, async () => {
    const result = await generateText({
      ...options,
      prompt: "Hello!",
      tools: { get_weather: tool({ inputSchema: Weather }) },
      toolChoice: "required",
    });
    assert.equal(result.finishReason, "tool-calls");
    Weather.parse(result.toolCalls[0].input);
  });

  check(`${kind}, generateObject`, async () => {
    const result = await generateObject({ ...options, prompt: "Review this.", schema: Review });
    Review.parse(result.object);
    assert.equal(result.finishReason, "stop");
  });

  check(`${kind}, streamObject`, async () => {
    const errors = [];
    const result = streamObject({
      ...options,
      prompt: "Review this.",
      schema: Review,
      onError: kept(errors),
    });
    const partial = [];
    for await (const one of result.partialObjectStream) partial.push(one);
    assert.deepEqual(errors, []);
    assert.ok(partial.length > 1, "in one piece");
    assert.deepEqual(partial.at(-1), Review.parse(await result.object));
  });

  check(`${kind}, Output.object`, async () => {
    const result = await generateText({
      ...options,
      prompt: "Review this.",
      output: Output.object({ schema: Review }),
    });
    Review.parse(result.output);
  });

  check(`${kind}, aborted`, async () => {
    const abort = new AbortController();
    const result = streamText({
      model: modelAt(SLOW_BASE_URL)(`aborted-by-${kind}`),
      maxRetries: 0,
      prompt: "word ".repeat(100),
      abortSignal: abort.signal,
    });
    let words = 0;
    const kinds = [];
    for await (const part of result.fullStream) {
      kinds.push(part.type);
      if (part.type === "text-delta" && part.text && ++words === 3) abort.abort();
    }
    assert.equal(kinds.at(-1), "abort");
    assert.ok(words < 20, `${words} words came`);
  });

  check(`${kind}, error`, async () => {
    const model = modelAt(`${BASE_URL}/nowhere`)("gpt-4o");
    await assert.rejects(generateText({ model, maxRetries: 0, prompt: "hi" }), (error) => {
      assert.equal(error.statusCode, 404);
      assert.match(error.message, /^Invalid URL/); // as the error object of the body says
      return true;
    });
  });
}

const COMPLETIONS = {
  openai: [openaiAt(BASE_URL), (provider) => provider.completion],
  compatible: [compatibleAt(BASE_URL), (provider) => provider.completionModel],
};

for (const [kind, [provider, completion]] of Object.entries(COMPLETIONS)) {
  check(`${kind}, completion`, async () => {
    const result = streamText({
      model: completion(provider)("gpt-3.5-turbo-instruct"),
      maxRetries: 0,
      prompt: "one two three",
    });
    let text = "";
    for await (const delta of result.textStream) text += delta;
    assert.match(text, /one two three/);
    assert.equal(await result.finishReason, "stop");
  });

  check(`${kind}, embedMany`, async () => {
    const { embeddings, usage } = await embedMany({
      model: provider.embeddingModel("text-embedding-3-small"),
      maxRetries: 0,
      values: ["a cat", "a dog", "a cat"],
    });
    assert.deepEqual(
      embeddings.map((one) => one.length),
      [1536, 1536, 1536],
    );
    assert.deepEqual(embeddings[0], embeddings[2]);
    assert.ok(usage.tokens > 0);
  });
}

await report();
