// One session as a tree: the session, its requests as they came, and the attempts of each; every line with its place in time.

import { get, list } from "../core/api.js";
import { requestsLink } from "../core/dimensions.js";
import { fill, h } from "../core/dom.js";
import { count, duration, exactMoney, money, moment, plural } from "../core/format.js";
import { rangeOf } from "../core/range.js";
import { modelOf } from "../core/requests.js";
import { badge, card, moneyOf, pageHead, statusBadge, tile } from "../parts/bits.js";
import { empty } from "../parts/states.js";

const MOST = 1_000;

export async function show(view) {
  const { from, to } = rangeOf(view.query);
  const found = await list("/requests", { from, to, session: view.thing }, { signal: view.signal }, MOST);
  const requests = found.reverse();
  const link = requestsLink(view.query, { session: view.thing });
  return h(
    "div",
    null,
    h(
      "p",
      { class: "crumbs" },
      h("a", { href: `/dashboard/sessions?${new URLSearchParams({ from, to })}` }, "Sessions"),
      " / ",
      view.thing,
    ),
    pageHead(
      view.thing,
      requests.length > 0 ? `${moment(requests[0].at)} to ${moment(requests[requests.length - 1].at)}` : "",
      h("a", { class: "button", href: link }, "As a list"),
    ),
    requests.length === 0
      ? card("Nothing here", empty("No request of this session in the span", "Look at a longer span."))
      : [tiles(requests, link), tree(view, requests)],
  );
}

const startOf = (each) => Date.parse(each.at);
const sum = (requests, measure) => requests.reduce((whole, each) => whole + measure(each), 0);

function tiles(requests, href) {
  const cost = requests.reduce((whole, each) => whole + (each.cost_nanousd ?? 0n), 0n);
  const unknown = requests.filter((each) => each.cost_nanousd === null).length;
  const span = Math.max(...requests.map((each) => startOf(each) + each.duration_ms)) - startOf(requests[0]);
  const failed = requests.filter((each) => each.error).length;
  return h(
    "div",
    { class: "tiles", vars: { "--columns": "5" } },
    tile({
      id: "tile-total",
      label: "Total",
      value: money(cost),
      title: exactMoney(cost),
      href,
      foot: [unknown > 0 ? `and ${unknown} of unknown cost` : ""],
    }),
    tile({ label: "Requests", value: count(requests.length), href, foot: [failed > 0 ? `${failed} failed` : "none failed"] }),
    tile({
      label: "Tokens in",
      value: count(sum(requests, (each) => each.input_tokens)),
      foot: [`${count(sum(requests, (each) => each.cache_read_tokens))} from caches`],
    }),
    tile({ label: "Tokens out", value: count(sum(requests, (each) => each.output_tokens)) }),
    tile({
      label: "From first to last",
      value: duration(span),
      foot: [`${duration(sum(requests, (each) => each.duration_ms))} in requests`],
    }),
  );
}

function tree(view, requests) {
  const start = startOf(requests[0]);
  const span = Math.max(1, ...requests.map((each) => startOf(each) + each.duration_ms - start));
  const head = h(
    "div",
    { class: "tree-head", "aria-hidden": "true" },
    ["Request", "", "Tokens", "Cost", "Duration", "When"].map((text) => h("span", null, text)),
  );
  const branches = requests.map((each) => branch(view, each, { start, span }));
  return card(`Its ${plural(requests.length, "request")}`, [head, h("ul", { class: "tree", id: "tree" }, branches)], {
    flush: true,
  });
}

function branch(view, each, time) {
  const place = h("div", { class: "tree-inner" });
  let isAsked = false;
  const opened = async (event) => {
    if (!event.target.open || isAsked) return;
    isAsked = true;
    try {
      fill(
        place,
        attempts(await get(`/requests/${encodeURIComponent(each.id)}`, {}, { signal: view.signal }), startOf(each), time),
      );
    } catch (error) {
      isAsked = false;
      fill(place, h("p", { class: "notice bad" }, error.message));
    }
  };
  return h(
    "li",
    null,
    h(
      "details",
      { on: { toggle: opened } },
      h(
        "summary",
        { class: "tree-line" },
        h("span", { class: "cut" }, modelOf(each)),
        h("span", null, statusBadge(each.status, each.error)),
        h("span", { class: "num" }, `${count(each.input_tokens)} + ${count(each.output_tokens)}`),
        h("span", { class: "num" }, moneyOf(each.cost_nanousd)),
        h("span", { class: "num" }, duration(each.duration_ms)),
        track(startOf(each), each.duration_ms, time, each.error ? "failed" : ""),
      ),
      place,
    ),
  );
}

function attempts(found, at, time) {
  return [
    h(
      "ul",
      null,
      found.attempts.map((each) =>
        h(
          "li",
          { class: "tree-line" },
          h("span", { class: "cut" }, `${each.provider}/${each.model}`),
          h("span", null, each.status ? statusBadge(each.status, each.error) : badge("no answer", "bad")),
          h(
            "span",
            { class: "num" },
            each.usage.provenance === "unknown" ? "unknown" : `${count(each.usage.input)} + ${count(each.usage.output)}`,
          ),
          h("span", { class: "num" }, moneyOf(each.cost_nanousd)),
          h("span", { class: "num" }, duration(each.end_ms - Math.max(0, each.sent_ms))),
          track(at + Math.max(0, each.sent_ms), each.end_ms - Math.max(0, each.sent_ms), time, each.error ? "failed" : "inner"),
        ),
      ),
    ),
    h(
      "p",
      { class: "tree-more" },
      h("a", { href: `/dashboard/requests/${encodeURIComponent(found.id)}` }, "All about this request"),
    ),
  ];
}

function track(at, ms, { start, span }, kind) {
  const share = (value) => `${((value / span) * 100).toFixed(3)}%`;
  return h(
    "span",
    { class: "track", "aria-hidden": "true" },
    h("span", { class: kind, vars: { "--at": share(at - start), "--share": share(ms) } }),
  );
}
