// What the page asks of the server: OpenAI's routes, beside the page itself.

import { EventStream } from "./event_stream.js";

const kKeyName = "isthmus.api_key";

// The key stays in this tab, and no longer than it.
export const apiKey = {
  get: () => sessionStorage.getItem(kKeyName) ?? "",
  set(value) {
    if (value) sessionStorage.setItem(kKeyName, value);
    else sessionStorage.removeItem(kKeyName);
  },
};

// Says what went wrong as the server words it. `status` is 0 where there was no answer at all.
export class ApiError extends Error {
  constructor(message, status, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

// [{id, family, modalities, aligners, context_length, storage, parameters, image}]; `image` is how pictures are
// prepared where the server tells: {mode: "pad" | "crop" | "anyres", size, grids: [[width, height]]}
export async function models(signal) {
  const response = await request("v1/models", { signal });
  const { data } = await response.json();
  // A model with another of its aligners is listed besides, as a child of it.
  return data.filter((entry) => !entry.parent).map((entry) => {
    const card = entry.isthmus ?? entry;
    return {
      id: entry.id, family: card.family ?? "", modalities: card.modalities ?? [],
      aligners: card.aligners ?? [], storage: card.storage ?? "", parameters: card.parameters ?? 0, image: card.image ?? null,
      context_length: card.context_length ?? card.max_model_len ?? 0,
    };
  });
}

// Yields {text}, {reason}, {usage} and {timings} as they come. Stopped by `signal`.
export async function* chat(body, signal) {
  const response = await request("v1/chat/completions", {
    method: "POST", signal, headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const stream = new EventStream();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new ApiError("The server closed the connection before the answer ended.", 0);
      for (const event of stream.push(value)) {
        if (event === "[DONE]") return;
        yield* partsOf(JSON.parse(event));
      }
    }
  } catch (error) {
    throw error instanceof TypeError ? unreachable() : error;
  } finally {
    reader.cancel().catch(() => {});
  }
}

function* partsOf(chunk) {
  if (chunk.error) throw new ApiError(chunk.error.message ?? String(chunk.error), 0);
  const choice = chunk.choices?.[0];
  if (choice?.delta?.content) yield { text: choice.delta.content };
  if (choice?.finish_reason) yield { reason: choice.finish_reason };
  if (chunk.usage) yield { usage: chunk.usage };
  if (chunk.timings) yield { timings: chunk.timings };
}

async function request(path, options) {
  const headers = new Headers(options.headers);
  if (apiKey.get()) headers.set("Authorization", "Bearer " + apiKey.get());
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
  if (response.ok) return response;
  throw new ApiError(messageOf(await response.text(), response), response.status,
                     response.headers.get("Retry-After"));
}

function unreachable() {
  return new ApiError("The server cannot be reached.", 0);
}

function messageOf(text, response) {
  try {
    const { error } = JSON.parse(text);
    return (typeof error === "string" ? error : error.message) || `HTTP ${response.status}`;
  } catch {
    return text.trim().slice(0, 500) || `HTTP ${response.status} ${response.statusText}`.trim();
  }
}
