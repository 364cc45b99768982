// What stands where figures would: nothing yet, nothing at all, or a failure.

import { h } from "../core/dom.js";

export function failure(error, again = null) {
  return h(
    "div",
    { class: "notice bad stack", role: "alert" },
    h("h1", null, "This could not be shown"),
    h("p", null, error.message),
    again && h("div", null, h("button", { type: "button", class: "button", on: { click: again } }, "Try again")),
  );
}

export function empty(title, text = "", action = null) {
  return h(
    "div",
    { class: "empty" },
    h("h3", null, title),
    text && h("p", null, text),
    action && h("div", { class: "row" }, action),
  );
}

/** A part that loads for itself: a skeleton, then what `load` resolves to, or why it could not. */
export function loading(load, signal) {
  const place = h("div", { "aria-busy": "true" }, h("div", { class: "skeleton" }));
  const done = (content) => {
    if (signal?.aborted) return;
    place.replaceChildren(content);
    place.removeAttribute("aria-busy");
  };
  load().then(done, (error) => {
    if (!signal?.aborted) done(h("p", { class: "notice bad", role: "alert" }, error.message));
  });
  return place;
}

/** What a promise resolves to, or `fallback` where the gateway does not have it (404) or this user may not see it (403). */
export async function optional(promise, fallback) {
  try {
    return await promise;
  } catch (error) {
    if (error.status === 404 || error.status === 403) return fallback;
    throw error;
  }
}
