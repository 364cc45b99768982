// Overview: what is spent, what is slow, what fails, against the period before.

import { get } from "../core/api.js";
import { DIMENSIONS, filtersOf, labelOf, requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { offers } from "../core/offers.js";
import { may } from "../core/rights.js";
import { chartMoney, count, dollars, duration, percent, plural, ratio } from "../core/format.js";
import { keyNames } from "../core/names.js";
import { before, intervalOf, next, rangeName, rangeOf } from "../core/range.js";
import { overTime, overTimeBy, tokensOf, total, usage } from "../core/usage.js";
import { tiles } from "./overview_tiles.js";
import { timeChart } from "../charts/time_chart.js";
import { button, card, cellBar, choice, countOf, moneyOf, pageHead, quantile, timeOf } from "../parts/bits.js";
import { budgetBars } from "../parts/budget_bars.js";
import { filterBar } from "../parts/filters.js";
import { rangePicker } from "../parts/range_picker.js";
import { optional } from "../parts/states.js";
import { table } from "../parts/table.js";

const LIVE_MS = 10_000;
const TOP_GROUPS = 8;

export async function show(view) {
  const found = await load(view);
  const isLive = view.query.has("live");
  if (isLive) view.every(LIVE_MS, () => view.refresh());
  return h(
    "div",
    null,
    pageHead(
      "Overview",
      `${rangeName(found.range)}, against the period before`,
      rangePicker(view),
      button(isLive ? "Live" : "Go live", () => view.change({ live: isLive ? null : "1" }), { id: "live", pressed: isLive }),
    ),
    filterBar(view, { names: found.names }),
    found.alerts.length > 0 && alertsNotice(found),
    found.now.unknown_costs > 0 && unknownNotice(view, found),
    tiles(view, found),
    h(
      "div",
      { class: "grid" },
      spendCard(view, found),
      requestsCard(view, found),
      latencyCard(view, found),
      groupCard(view, found),
      budgetsCard(found),
      errorsCard(view, found),
    ),
  );
}

async function load(view) {
  const range = rangeOf(view.query);
  const interval = intervalOf(range);
  const filters = filtersOf(view.query);
  const options = { signal: view.signal };
  const by = view.query.get("by") ?? "model";
  const names = await keyNames(options);
  const [now, then, time, spend, groups, errors, budgets, alerts] = await Promise.all([
    total(range, filters, options),
    total(before(range), filters, options),
    overTime(range, filters, interval, options),
    overTimeBy(by, range, filters, interval, (row) => dollars(row.cost_nanousd), { names, signal: view.signal }),
    usage(range, filters, { group_by: by, top: TOP_GROUPS }, options),
    usage(range, filters, { group_by: "error" }, options),
    optional(get("/budgets", {}, options), { data: [] }),
    offers("GET", "/alerts") && may("read_gateway") ? optional(get("/alerts", {}, options), { data: [] }) : { data: [] },
  ]);
  const parts = { groups: groups.data, errors: errors.data, budgets: budgets.data, alerts: alerts.data };
  return { range, interval, by, names, now, then, time, spend, ...parts };
}

/** What fires, the worst first. */
function alertsNotice({ alerts }) {
  const worst = [...alerts].sort((one, other) => (one.severity === "critical" ? 0 : 1) - (other.severity === "critical" ? 0 : 1));
  return h(
    "div",
    { class: `notice ${worst[0].severity === "critical" ? "bad" : "warn"}`, id: "alerts", role: "status" },
    h("ul", null, worst.slice(0, 10).map((each) => h("li", { title: each.text || null }, each.title, " ", timeOf(each.since)))),
    worst.length > 10 && h("p", null, `and ${worst.length - 10} more`),
  );
}

function unknownNotice(view, { now }) {
  return h(
    "p",
    { class: "notice warn", id: "unknown-costs" },
    `${plural(now.unknown_costs, "attempt")} cost an amount that nobody knows, which is in no sum here. `,
    h("a", { href: "/dashboard/costs" }, "Prices can be given in the configuration."),
  );
}

/** Opens the requests of an interval. */
function opener(view, { time, interval }, more = {}) {
  return (index) => {
    const start = time.starts[index];
    view.go(
      requestsLink(view.query, { from: new Date(start).toISOString(), to: new Date(next(start, interval)).toISOString(), ...more }),
    );
  };
}

function spendCard(view, found) {
  const chart = timeChart({
    id: "chart-spend",
    label: `Spend by ${found.by}`,
    ...found.spend,
    shape: "bars",
    format: chartMoney,
    open: opener(view, found),
    none: "Nothing was spent in this span",
  });
  const by = choice(
    "Split spend by",
    DIMENSIONS.map((each) => [each.name, `By ${each.title.toLowerCase()}`]),
    found.by,
    (name) => view.change({ by: name }),
    "split-by",
  );
  return card("Spend", chart, { span: 8, tools: [by] });
}

function requestsCard(view, found) {
  const { time } = found;
  const series = [
    { name: "Answered", values: time.rows.map((row) => row.requests - row.errors), kind: "good" },
    { name: "Failed", values: time.rows.map((row) => row.errors), kind: "bad" },
  ];
  const chart = timeChart({
    id: "chart-requests",
    label: "Requests",
    starts: time.starts,
    interval: time.interval,
    series,
    shape: "bars",
    format: (value) => count(value),
    open: opener(view, found),
  });
  return card("Requests", chart, { span: 4 });
}

function latencyCard(view, found) {
  const { time } = found;
  const measure = view.query.get("latency") ?? "duration_ms";
  const series = ["p50", "p95", "p99"].map((which) => ({
    name: which,
    values: time.rows.map((row) => row[measure]?.[which] ?? null),
  }));
  const chart = timeChart({
    id: "chart-latency",
    label: "Latency",
    starts: time.starts,
    interval: time.interval,
    series,
    format: (value) => duration(value),
    open: opener(view, found),
  });
  const measures = [
    ["duration_ms", "To the last byte"],
    ["first_byte_ms", "To the first byte"],
    ["overhead_ms", "Gateway's overhead"],
  ];
  return card("Latency", chart, {
    span: 5,
    tools: [choice("Which latency", measures, measure, (name) => view.change({ latency: name }), "which-latency")],
  });
}

function groupCard(view, { by, groups, names, now }) {
  const dimension = DIMENSIONS.find((each) => each.name === by);
  const whole = now.cost_nanousd;
  const named = (row) => labelOf(by, row.group[by], names);
  const columns = [
    { title: dimension.title, head: true, cut: true, cell: (row) => groupLink(view, by, row, named(row)), sort: named },
    {
      title: "Spend",
      num: true,
      cell: (row) => [cellBar(ratio(row.cost_nanousd, whole)), moneyOf(row.cost_nanousd)],
      sort: (row) => row.cost_nanousd,
    },
    { title: "Requests", num: true, cell: (row) => countOf(row.requests), sort: (row) => row.requests },
    { title: "Tokens", num: true, cell: (row) => countOf(tokensOf(row)), sort: tokensOf },
    {
      title: "Failed",
      num: true,
      cell: (row) => percent(ratio(row.errors, row.requests)),
      sort: (row) => ratio(row.errors, row.requests),
    },
    { title: "p95", num: true, cell: (row) => quantile(row.duration_ms, "p95"), sort: (row) => row.duration_ms?.p95 ?? null },
  ];
  const ranked = groups.filter((row) => row.group[by] !== null);
  const more = h("a", { href: `/dashboard/costs?by=${by}` }, "All");
  return card(
    `Top ${dimension.plural}`,
    table({ label: `Top ${dimension.plural}`, id: "top-groups", columns, rows: ranked, sorted: [1, "descending"] }),
    { span: 7, tools: [more], flush: true },
  );
}

function groupLink(view, by, row, text) {
  const value = row.group[by];
  return value ? h("a", { href: requestsLink(view.query, { [by]: value }), title: text }, text) : text;
}

function budgetsCard({ budgets }) {
  return card("Budgets that run out first", budgetBars(budgets, { most: 5 }), {
    span: 5,
    tools: [h("a", { href: "/dashboard/budgets" }, "All")],
  });
}

function errorsCard(view, { errors, now }) {
  const rows = errors.filter((row) => row.group.error).sort((one, other) => other.requests - one.requests);
  const columns = [
    {
      title: "Error",
      head: true,
      cut: true,
      cell: (row) => h("a", { href: requestsLink(view.query, { error: row.group.error }) }, row.group.error),
      sort: (row) => row.group.error,
    },
    {
      title: "Requests",
      num: true,
      cell: (row) => [cellBar(ratio(row.requests, now.errors)), countOf(row.requests)],
      sort: (row) => row.requests,
    },
    { title: "Share of all", num: true, cell: (row) => percent(ratio(row.requests, now.requests)), sort: (row) => row.requests },
    { title: "Spend", num: true, cell: (row) => moneyOf(row.cost_nanousd), sort: (row) => row.cost_nanousd },
  ];
  const foot = h(
    "p",
    { class: "card-note" },
    `${plural(now.fallbacks, "request")} were answered by another target after a failure.`,
  );
  return card(
    "What failed",
    [
      table({ label: "Errors by kind", columns, rows, sorted: [1, "descending"], none: "Nothing failed" }),
      h("div", { class: "card-body" }, foot),
    ],
    { span: 7, flush: true },
  );
}
