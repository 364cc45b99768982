// Requests to models need a virtual key: one is made for an hour, or pasted. It stays in this page's memory.

import { freshId, h } from "../core/dom.js";
import { heldKey, holdKey, makeShortKey } from "../core/data_plane.js";
import { button } from "./bits.js";
import { attempt, toast } from "./toasts.js";

/** Nothing where a key is held; otherwise a card that gets one, after which `then()` is called. */
export function keyHolder(then) {
  if (heldKey()) return null;
  const id = freshId("virtual-key");
  const input = h("input", { id, type: "password", class: "input", autocomplete: "off", spellcheck: "false", placeholder: "wb-…" });
  const make = async () => {
    if (await attempt(makeShortKey, "A key was made that ends in an hour.")) then();
  };
  const use = (event) => {
    event.preventDefault();
    if (!input.value.trim()) {
      toast("Paste a key first.", "bad");
      return;
    }
    holdKey(input.value.trim());
    then();
  };
  return h(
    "section",
    { class: "card", "aria-label": "A virtual key", id: "key-holder" },
    h(
      "div",
      { class: "card-body stack" },
      h("p", null, "Requests to models are made with a virtual key, and are charged to it. It is kept in this page's memory only."),
      h("div", { class: "row" }, button("Make one for an hour", make, { kind: "primary", id: "make-key" })),
      h(
        "form",
        { class: "row", on: { submit: use } },
        h("label", { for: id }, "or paste one"),
        h("span", null, input),
        h("button", { type: "submit", class: "button" }, "Use it"),
      ),
    ),
  );
}
