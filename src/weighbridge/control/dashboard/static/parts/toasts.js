// Short messages about what was done.

import { h } from "../core/dom.js";

const STAYS_MS = 6_000;

export function toast(text, kind = "") {
  const shown = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" }, text);
  document.getElementById("toasts").append(shown);
  setTimeout(() => shown.remove(), STAYS_MS);
}

/** Do something and say how it went; resolves to whether it went well. */
export async function attempt(act, done) {
  try {
    await act();
    toast(done);
    return true;
  } catch (error) {
    toast(error.message, "bad");
    return false;
  }
}
