// What was asked and answered, where it is kept: shown when it is asked for, since who has read it is written down.

import { get } from "../core/api.js";
import { h } from "../core/dom.js";
import { bytes, moment } from "../core/format.js";
import { may } from "../core/rights.js";
import { button, card } from "./bits.js";
import { toast } from "./toasts.js";

/** Nothing where nothing is kept, or nobody may read it. */
export function payloadCard(found) {
  if (!found.has_payload || !may("read_payloads")) return null;
  const place = h("div", { id: "payload" }, h("p", { class: "soft" }, "Kept as text, without keys and what else is taken out."));
  const show = button("Show", () => fill(place, show, found.id), { id: "show-payload" });
  return card("Asked and answered", place, { tools: [show], note: "Who has read it stands in the audit log." });
}

async function fill(place, show, id) {
  show.disabled = true;
  try {
    const kept = await get(`/requests/${encodeURIComponent(id)}/payload`);
    place.replaceChildren(
      part("Asked", kept.request, kept.request_bytes, kept.request_is_whole),
      part("Answered", kept.reply, kept.reply_bytes, kept.reply_is_whole),
      h("p", { class: "faint" }, `Kept until ${moment(kept.expires_at)}.`),
    );
    show.remove();
  } catch (error) {
    show.disabled = false;
    toast(error.message, "bad");
  }
}

function part(title, text, size, isWhole) {
  const how = isWhole ? bytes(size) : `the beginning of ${bytes(size)}`;
  return h(
    "section",
    { class: "kept", "aria-label": title },
    h("h3", null, title, h("span", { class: "faint" }, ` ${how}`)),
    h("pre", { tabindex: "0" }, readable(text) || "nothing"),
  );
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
