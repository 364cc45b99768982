// What one request cost: by attempt, line by line, and what was corrected since.

import { h } from "../core/dom.js";
import { dateTime, duration, exactMoney } from "../core/format.js";
import { badge, card, countOf, moneyOf } from "../parts/bits.js";
import { table } from "../parts/table.js";

export const COUNTS = [
  ["input", "Input"],
  ["cache_read", "Read from a cache"],
  ["cached_audio", "of which audio"],
  ["cached_image", "of which images"],
  ["cache_write_5m", "Written to a cache, 5 min"],
  ["cache_write_1h", "Written to a cache, 1 h"],
  ["input_audio", "Audio in"],
  ["input_image", "Images in"],
  ["output", "Output"],
  ["reasoning", "of which reasoning"],
  ["output_audio", "Audio out"],
  ["output_image", "Images out"],
  ["tool_calls", "Searches of the web"],
  ["file_searches", "Searches of files"],
  ["audio_ms", "Audio by time"],
  ["characters", "Characters spoken"],
  ["search_units", "Searches among documents"],
];
export const PRICES = { known: "good", estimated: "warn", unknown: "bad" };
const BILLED = {
  ...Object.fromEntries(COUNTS),
  output: "Output",
  reasoning: "Reasoning",
  cached_audio: "Audio read from a cache",
  cached_image: "Images read from a cache",
  tool_call: "Searches of the web",
  file_search: "Searches of files",
  request: "The request itself",
  audio_hour: "Audio by time",
  character: "Characters spoken",
  told: "All of it, as the provider says",
};

/** How much of something there was: of audio how long, of all else how many. */
export function amountOf(name, value) {
  if (name !== "audio_ms" && name !== "audio_hour") return countOf(value);
  return h("span", { title: `${value} ms`, data: { count: String(value) } }, duration(value));
}

export function priceCard(found) {
  const rows = found.attempts.map((each, index) => ({ ...each, index }));
  const columns = [
    { title: "Attempt", head: true, cell: (each) => `${each.index + 1}. ${each.provider}/${each.model}` },
    { title: "Price", cell: (each) => badge(each.price_state, PRICES[each.price_state]) },
    {
      title: "Cost",
      num: true,
      cell: (each) => h("span", { class: "mono" }, each.cost_nanousd === null ? "unknown" : exactMoney(each.cost_nanousd)),
    },
  ];
  const foot = h(
    "tr",
    null,
    h("th", { scope: "row", colspan: 2 }, "In all"),
    h("td", { class: "num mono" }, found.cost_nanousd === null ? "unknown" : exactMoney(found.cost_nanousd)),
  );
  return card("Price", table({ label: "Price by attempt", id: "price", columns, rows, foot, none: "Nothing to pay" }), {
    span: 6,
    flush: true,
  });
}

/** How each cost is made up; nothing where nobody knows. */
export function billCard(found) {
  const rows = found.attempts.flatMap((each, index) =>
    (each.bill?.lines ?? []).map((line) => ({ ...line, attempt: index + 1 })),
  );
  if (rows.length === 0) return null;
  const models = new Set(rows.map((each) => each.model));
  const columns = [
    ...(found.attempts.length > 1 ? [{ title: "Attempt", num: true, cell: (each) => String(each.attempt) }] : []),
    { title: "For", head: true, cell: (each) => BILLED[each.what] ?? each.what },
    ...(models.size > 1 ? [{ title: "Model", cut: true, cell: (each) => each.model }] : []),
    { title: "Count", num: true, cell: (each) => amountOf(each.what, each.count) },
    { title: "At", num: true, cell: (each) => h("span", { class: "mono" }, rate(each)) },
    { title: "Amount", num: true, cell: (each) => h("span", { class: "mono" }, `$${each.amount_usd}`) },
  ];
  const sources = [...new Set(found.attempts.flatMap((each) => each.bill?.sources ?? []))].filter(Boolean);
  const isOther = found.attempts.some(
    (each) => each.bill && each.cost_nanousd !== null && BigInt(each.bill.amount_nanousd) !== BigInt(each.cost_nanousd),
  );
  return card(
    "How it is made up",
    [
      table({ label: "Lines of the bill", id: "bill", columns, rows }),
      h(
        "p",
        { class: "card-body soft", id: "bill-source" },
        isOther && "By the prices that are loaded now; it was booked at others. ",
        sources.length > 0 && `Prices from ${sources.join("; ")}.`,
      ),
    ],
    { span: 6, flush: true },
  );
}

/** A token's or a character's price is told for a million of them, audio's for an hour, a call's for one. */
function rate({ what, rate_usd: usd }) {
  if (what === "audio_hour") return `$${usd} / h`;
  if (what === "tool_call" || what === "file_search" || what === "request" || what === "told") return `$${usd} each`;
  return `$${Number((Number(usd) * 1e6).toPrecision(12))} / M`;
}

/** Prices that turned out to be others; nothing where none did. */
export function correctionsCard(found) {
  if (!found.corrections?.length) return null;
  const columns = [
    { title: "At", cell: (each) => dateTime(each.at) },
    { title: "Why", head: true, cell: (each) => each.reason },
    { title: "Attempt", num: true, cell: (each) => String(each.attempt + 1) },
    { title: "Added to its cost", num: true, cell: (each) => moneyOf(each.cost_nanousd) },
  ];
  return card("Corrections of its price", table({ label: "Corrections", id: "corrections", columns, rows: found.corrections }), { flush: true });
}
