// Models and providers: who is well, who is not and why, how fast they are and what they cost.

import { get, post } from "../core/api.js";
import { FAILED, filtersOf, requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { count, duration, money, percent, ratio } from "../core/format.js";
import { rangeName, rangeOf } from "../core/range.js";
import { tokensOf, usage } from "../core/usage.js";
import { badge, button, card, cellBar, countOf, moneyOf, pageHead, quantile } from "../parts/bits.js";
import { rangePicker } from "../parts/range_picker.js";
import { table } from "../parts/table.js";
import { attempt } from "../parts/toasts.js";

const STATES = {
  closed: ["well", "good"],
  half_open: ["trying it out", "warn"],
  open: ["left alone", "bad"],
  ejected: ["far worse than its peers", "bad"],
  resting: ["all keys rest", "warn"],
};
const KEY_STATES = { ready: "good", resting: "warn", parked: "bad" };
const LIVE_MS = 5_000;

export async function show(view) {
  const range = rangeOf(view.query);
  const options = { signal: view.signal };
  const filters = filtersOf(view.query);
  const [targets, models, providers] = await Promise.all([
    get("/targets", {}, options),
    usage(range, filters, { group_by: "model" }, options),
    usage(range, filters, { group_by: "provider" }, options),
  ]);
  if (view.query.has("live")) view.every(LIVE_MS, () => view.refresh());
  const rows = merged(targets.data, models.data);
  const ill = targets.data.filter((each) => each.state !== "closed");
  const live = view.query.has("live");
  return h(
    "div",
    null,
    pageHead(
      "Models and providers",
      rangeName(range),
      rangePicker(view),
      button(live ? "Live" : "Go live", () => view.change({ live: live ? null : "1" }), { id: "live", pressed: live }),
    ),
    h(
      "div",
      { class: "stack" },
      ill.length > 0 && illCard(view, ill),
      modelsCard(view, rows),
      h("div", { class: "grid" }, providersCard(view, providers.data), keysCard(view, targets.data)),
    ),
  );
}

/** Targets and what was used of each; also what was used and has no state, and the other way round. */
function merged(targets, used) {
  const byName = new Map(targets.map((each) => [each.id, { name: each.id, target: each, used: null }]));
  for (const row of used) {
    const name = row.group.model;
    if (!byName.has(name)) byName.set(name, { name, target: null, used: null });
    byName.get(name).used = row;
  }
  return [...byName.values()];
}

const inMs = (ns) => (ns > 0 ? ns / 1e6 : null);

function stateBadge(target) {
  if (!target) return badge("not asked lately");
  const [text, kind] = STATES[target.state] ?? [target.state, ""];
  return badge(text, kind, { dot: true, title: target.reason || null });
}

function illCard(view, ill) {
  const columns = [
    { title: "Target", head: true, cut: 40, cell: (each) => each.id },
    { title: "State", cell: stateBadge },
    { title: "Why", cell: (each) => each.reason || "–" },
    {
      title: "Asked again",
      cell: (each) => (each.retry_in_ns > 0 ? `in ${duration(inMs(each.retry_in_ns))}` : "now, with little traffic"),
    },
    { title: "", cell: (each) => clearButton(view, each.id) },
  ];
  return card("Not well", table({ label: "Targets that are not well", id: "ill", columns, rows: ill }), { flush: true });
}

function clearButton(view, name) {
  const clear = async () => {
    if (await attempt(() => post("/targets/clear", { name }), `${name} is taken as well again.`)) view.refresh();
  };
  return button("Take as well", clear, { kind: "small", changes: "manage_gateway", label: `Take ${name} as well` });
}

/** Nano-dollars for a thousand tokens, in and out together; null where nothing is known. */
function perThousand(row) {
  const tokens = row ? tokensOf(row) : 0;
  return tokens > 0 && row.cost_nanousd > 0n ? (row.cost_nanousd * 1_000n) / BigInt(tokens) : null;
}

function modelsCard(view, rows) {
  const link = (name, more = {}) => requestsLink(view.query, { model: name, ...more });
  const of = (measure) => (row) => (row.used ? measure(row.used) : null);
  const columns = [
    {
      title: "Model",
      head: true,
      cut: 32,
      cell: (row) => h("a", { href: link(row.name), title: row.name }, row.name),
      sort: (row) => row.name,
    },
    { title: "State", cell: (row) => stateBadge(row.target), sort: (row) => row.target?.state ?? "" },
    { title: "Requests", num: true, cell: (row) => countOf(row.used?.requests ?? 0), sort: of((used) => used.requests) },
    {
      title: "Failed",
      num: true,
      cell: (row) =>
        row.used
          ? h(
              "a",
              { class: "plain-link", href: link(row.name, { [FAILED]: "1" }) },
              percent(ratio(row.used.errors, row.used.requests)),
            )
          : "–",
      sort: of((used) => ratio(used.errors, used.requests)),
    },
    {
      title: "First byte, p50",
      num: true,
      cell: (row) => quantile(row.used?.first_byte_ms, "p50"),
      sort: of((used) => used.first_byte_ms?.p50 ?? null),
    },
    {
      title: "p95",
      num: true,
      cell: (row) => quantile(row.used?.duration_ms, "p95"),
      sort: of((used) => used.duration_ms?.p95 ?? null),
    },
    {
      title: "In flight",
      num: true,
      cell: (row) => (row.target ? count(row.target.in_flight) : "–"),
      sort: (row) => row.target?.in_flight ?? null,
    },
    {
      title: "Rate limit left",
      num: true,
      cell: (row) => (row.target ? [cellBar(row.target.headroom), percent(row.target.headroom, 0)] : "–"),
      sort: (row) => row.target?.headroom ?? null,
    },
    {
      title: "1k tokens",
      num: true,
      cell: (row) => (perThousand(row.used) === null ? h("span", { class: "faint" }, "unknown") : money(perThousand(row.used))),
      sort: (row) => perThousand(row.used),
    },
    {
      title: "Spend",
      num: true,
      cell: (row) => (row.used ? moneyOf(row.used.cost_nanousd) : "–"),
      sort: of((used) => used.cost_nanousd),
    },
  ];
  const sorted = [9, "descending"];
  return card("Models", table({ label: "Models", id: "models", columns, rows, sorted, none: "No model was asked yet" }), {
    flush: true,
  });
}

function providersCard(view, rows) {
  const columns = [
    {
      title: "Provider",
      head: true,
      cell: (row) =>
        row.group.provider
          ? h("a", { href: requestsLink(view.query, { provider: row.group.provider }) }, row.group.provider)
          : "(none)",
      sort: (row) => row.group.provider ?? "",
    },
    { title: "Requests", num: true, cell: (row) => countOf(row.requests), sort: (row) => row.requests },
    {
      title: "Failed",
      num: true,
      cell: (row) => percent(ratio(row.errors, row.requests)),
      sort: (row) => ratio(row.errors, row.requests),
    },
    { title: "p95", num: true, cell: (row) => quantile(row.duration_ms, "p95"), sort: (row) => row.duration_ms?.p95 ?? null },
    { title: "Tokens", num: true, cell: (row) => countOf(tokensOf(row)), sort: tokensOf },
    { title: "Spend", num: true, cell: (row) => moneyOf(row.cost_nanousd), sort: (row) => row.cost_nanousd },
  ];
  return card(
    "Providers",
    table({ label: "Providers", id: "providers", columns, rows, sorted: [5, "descending"], none: "No provider was asked yet" }),
    { span: 6, flush: true },
  );
}

function keysCard(view, targets) {
  const rows = targets.flatMap((target) => target.keys.map((key) => ({ target: target.id, ...key })));
  const columns = [
    { title: "Provider key", head: true, cell: (each) => each.name, sort: (each) => each.name },
    { title: "For", cut: 30, cell: (each) => each.target, sort: (each) => each.target },
    {
      title: "State",
      cell: (each) => badge(each.state, KEY_STATES[each.state] ?? "", { dot: true, title: each.reason || null }),
      sort: (each) => each.state,
    },
    { title: "Used again", cell: (each) => (each.retry_in_ns > 0 ? `in ${duration(inMs(each.retry_in_ns))}` : "–") },
    { title: "", cell: (each) => each.retry_in_ns > 0 && clearButton(view, each.name) },
  ];
  return card(
    "Keys of providers",
    table({ label: "Keys of providers", id: "provider-keys", columns, rows, none: "No key was used yet" }),
    { span: 6, flush: true },
  );
}
