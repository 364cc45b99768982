// The data plane, as any application sees it: under a virtual key, which is kept in this page's memory only.

import { idempotencyKey, post } from "./api.js";

let held = null;

export const heldKey = () => held;

export function holdKey(secret) {
  held = secret;
}

/** A key of one hour, for trying things out. */
export async function makeShortKey() {
  const name = `dashboard ${new Date().toISOString().slice(0, 19)}`;
  const made = await post("/keys", { name, expires: "1h" }, idempotencyKey());
  held = made.key;
  return made;
}

/** A refusal of the data plane, in OpenAI's shape. */
export class DataPlaneError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, body, options = {}) {
  const response = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${held}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "omit",
    ...options,
  });
  if (response.ok) return response;
  let message = `The gateway answered ${response.status}.`;
  try {
    message = (await response.json()).error?.message ?? message;
  } catch {
    // Not JSON: the status says what there is to say.
  }
  throw new DataPlaneError(response.status, message);
}

/** Names of models that the held key may ask for. */
export async function models(options = {}) {
  const answer = await (await ask("/v1/models", undefined, options)).json();
  return answer.data.map((each) => each.id);
}

/**
 * One chat request. `heard(text, kind)` gets the pieces (`kind` is `text` or `reasoning`). Resolves to what there is to know
 * afterwards; raises `DataPlaneError`.
 */
export async function chat(body, heard, options = {}) {
  const began = performance.now();
  const response = await ask("/v1/chat/completions", body, options);
  const known = {
    requestId: response.headers.get("x-weighbridge-request-id"),
    firstMs: null,
    wholeMs: null,
    usage: null,
    finish: null,
  };
  const hear = (choice) => {
    const said = choice?.delta ?? choice?.message ?? {};
    known.finish = choice?.finish_reason ?? known.finish;
    for (const [kind, text] of [
      ["reasoning", said.reasoning_content ?? said.reasoning],
      ["text", said.content],
    ]) {
      if (typeof text !== "string" || text === "") continue;
      known.firstMs ??= performance.now() - began;
      heard(text, kind);
    }
  };
  if (!body.stream) {
    const whole = await response.json();
    known.usage = whole.usage ?? null;
    hear(whole.choices?.[0]);
  } else {
    for await (const event of events(response.body)) {
      if (event.error) throw new DataPlaneError(response.status, event.error.message ?? "The stream broke off with an error.");
      known.usage = event.usage ?? known.usage;
      hear(event.choices?.[0]);
    }
  }
  known.wholeMs = performance.now() - began;
  return known;
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    held += value ?? "";
    const lines = held.split(/\r?\n/);
    held = done ? "" : lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const text = line.slice(5).trim();
      if (text && text !== "[DONE]") yield JSON.parse(text);
    }
    if (done) return;
  }
}
