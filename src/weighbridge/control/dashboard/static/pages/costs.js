// Costs: by any two dimensions, where the month is going, what stands out, and all of it as a file.

import { queryOf } from "../core/api.js";
import { filtersOf, groupings, isDimension, labelOf, requestsLink, titleOf } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { chartMoney, count, date, dollars, exactMoment, exactMoney, money, percent, plural, ratio } from "../core/format.js";
import { anomalies, monthsEnd } from "../core/forecast.js";
import { keyNames } from "../core/names.js";
import { offers } from "../core/offers.js";
import { before, intervalOf, next, rangeName, rangeOf } from "../core/range.js";
import { me } from "../core/rights.js";
import { overTimeBy, sums, tokensOf, total } from "../core/usage.js";
import { timeChart } from "../charts/time_chart.js";
import { button, card, cellBar, choice, countOf, delta, moneyOf, pageHead, tile } from "../parts/bits.js";
import { csvDollars, saveCsv } from "../parts/csv.js";
import { filterBar } from "../parts/filters.js";
import { popover } from "../parts/popover.js";
import { rangePicker } from "../parts/range_picker.js";
import { table } from "../parts/table.js";

const MEMORY = { from: "-45d", to: "now" };

export async function show(view) {
  const found = await load(view);
  return h(
    "div",
    null,
    pageHead(
      "Costs",
      `${rangeName(found.range)}, against the period before`,
      rangePicker(view),
      offers("GET", "/statements/{month}") && statements(filtersOf(view.query)),
      button("Export CSV", () => exported(found), { id: "export" }),
    ),
    filterBar(view, { names: found.names }),
    tiles(view, found),
    h("div", { class: "grid" }, chartCard(view, found), anomaliesCard(view, found), tableCard(view, found)),
  );
}

/** Links to the last months' statements: of the team, organisation, user or key that is filtered for, or of everybody. */
function statements(filters) {
  const kind = ["team", "organisation", "user", "key"].find((each) => filters[each]?.length === 1);
  const own = me().team ? ["team", me().team] : me().organisation ? ["organisation", me().organisation] : null;
  const [payer, name] = kind ? [kind, filters[kind][0]] : (own ?? ["gateway", ""]);
  const now = new Date();
  const months = Array.from({ length: 6 }, (_, back) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1)));
  const links = months.map((month) => {
    const text = month.toISOString().slice(0, 7);
    const href = `/admin/v1/statements/${text}${queryOf({ payer, name, format: "html" })}`;
    return h("a", { href, target: "_blank", rel: "noopener", class: "button ghost small" }, text);
  });
  return popover("Statements", h("div", { class: "stack menu" }, links), { id: "statements", label: "Monthly statements" });
}

async function load(view) {
  const range = rangeOf(view.query);
  const filters = filtersOf(view.query);
  const options = { signal: view.signal };
  const by = isDimension(view.query.get("by")) ? view.query.get("by") : "model";
  const wanted = view.query.get("and") ?? "";
  const and = isDimension(wanted) && wanted !== by ? wanted : "";
  const names = await keyNames(options);
  const measure = (row) => dollars(row.cost_nanousd);
  const [now, then, time, days, groups, tags] = await Promise.all([
    total(range, filters, options),
    total(before(range), filters, options),
    overTimeBy(by, range, filters, intervalOf(range), measure, { names, signal: view.signal }),
    overTimeBy(by, MEMORY, filters, "day", measure, { most: 100, names, signal: view.signal }),
    sums(range, filters, { group_by: and ? [by, and] : [by] }, options),
    sums(range, filters, { group_by: "tag" }, options),
  ]);
  return { range, by, and, names, now, then, time, days, groups, options: groupings(tags.data) };
}

function tiles(view, { now, then, days }) {
  const whole = days.starts.map((at, index) => ({ at, value: days.series.reduce((sum, each) => sum + each.values[index], 0) }));
  const ahead = monthsEnd(whole, Date.now());
  const link = requestsLink(view.query);
  const each = (nano, n) => (n > 0 ? money(nano / BigInt(n)) : "–");
  const tokens = tokensOf(now);
  return h(
    "div",
    { class: "tiles", vars: { "--columns": "5" } },
    tile({
      id: "tile-spend",
      label: "Spend",
      value: money(now.cost_nanousd),
      title: exactMoney(now.cost_nanousd),
      href: link,
      foot: [
        delta(now.cost_nanousd, then.cost_nanousd, "down"),
        now.own_key_cost_nanousd > 0n &&
          h("span", { id: "own-key-cost", title: exactMoney(now.own_key_cost_nanousd) }, `${money(now.own_key_cost_nanousd)} by own keys`),
      ],
    }),
    tile({
      id: "tile-sure",
      label: "Of it estimated",
      value: money(now.estimated_nanousd),
      title: exactMoney(now.estimated_nanousd),
      href: link,
      foot: [now.unknown_costs > 0 ? `and ${plural(now.unknown_costs, "attempt")} of unknown cost` : "and no cost is unknown"],
    }),
    tile({ label: "A request", value: each(now.cost_nanousd, now.requests), href: link, foot: [plural(now.requests, "request")] }),
    tile({
      label: "A million tokens",
      value: tokens > 0 ? money((now.cost_nanousd * 1_000_000n) / BigInt(tokens)) : "–",
      href: link,
      foot: [`${count(tokens)} tokens`],
    }),
    tile({
      id: "tile-forecast",
      label: "By the month's end",
      value: ahead ? chartMoney(ahead.expected) : "–",
      title: "At the pace of the last seven complete days (UTC); four in five months end between the two",
      foot: [ahead ? `${chartMoney(ahead.low)} to ${chartMoney(ahead.high)}` : "after the first complete day"],
    }),
  );
}

function chartCard(view, { time, by }) {
  const open = (index) => {
    const start = time.starts[index];
    view.go(
      requestsLink(view.query, { from: new Date(start).toISOString(), to: new Date(next(start, time.interval)).toISOString() }),
    );
  };
  const chart = timeChart({
    id: "chart-costs",
    label: `Spend by ${titleOf(by).toLowerCase()}`,
    ...time,
    shape: "bars",
    format: chartMoney,
    open,
    none: "Nothing was spent in this span",
  });
  return card(`Spend by ${titleOf(by).toLowerCase()}`, chart, { span: 8 });
}

function anomaliesCard(view, { days, by }) {
  const rows = days.series
    .flatMap((each) =>
      anomalies(days.starts.map((at, index) => ({ at, value: each.values[index] }))).map((found) => ({
        at: found.at,
        cost: found.value,
        usual: found.usual,
        name: each.name,
        group: each.value,
      })),
    )
    .sort((one, other) => other.cost - other.usual - (one.cost - one.usual))
    .slice(0, 6);
  const link = (row) =>
    requestsLink(view.query, {
      from: new Date(row.at).toISOString(),
      to: new Date(next(row.at, "day")).toISOString(),
      ...(row.group ? { [by]: row.group } : {}),
    });
  const columns = [
    { title: "Day", head: true, cell: (row) => h("a", { href: link(row) }, date(row.at)) },
    { title: titleOf(by), cut: 18, cell: (row) => row.name },
    { title: "Spend", num: true, cell: (row) => chartMoney(row.cost) },
    { title: "Usual", num: true, cell: (row) => chartMoney(row.usual) },
  ];
  return card(
    "Days that stand out",
    table({
      label: "Days that stand out",
      id: "anomalies",
      columns,
      rows,
      none: "No day stands out",
      noneText: "Of the last 45 days, none cost far more than the two weeks before it.",
    }),
    { span: 4, flush: true },
  );
}

function tableCard(view, { groups, by, and, names, now, options }) {
  const tools = [
    choice("First dimension", options, by, (name) => view.change({ by: name }), "group-by"),
    choice(
      "Second dimension",
      [
        ["", "and nothing else"],
        ...options.filter(([name]) => name !== by).map(([name, text]) => [name, text.replace("By", "and by")]),
      ],
      and,
      (name) => view.change({ and: name }),
      "group-and",
    ),
  ];
  const dimensions = and ? [by, and] : [by];
  const behind = (row) =>
    requestsLink(
      view.query,
      Object.fromEntries(dimensions.filter((name) => row.group[name]).map((name) => [name, row.group[name]])),
    );
  const columns = [
    ...dimensions.map((name, index) => ({
      title: titleOf(name),
      head: index === 0,
      cut: 34,
      cell: (row) =>
        index === 0 ? h("a", { href: behind(row) }, labelOf(name, row.group[name], names)) : labelOf(name, row.group[name], names),
      sort: (row) => labelOf(name, row.group[name], names),
    })),
    {
      title: "Spend",
      num: true,
      cell: (row) => [cellBar(ratio(row.cost_nanousd, now.cost_nanousd)), moneyOf(row.cost_nanousd)],
      sort: (row) => row.cost_nanousd,
    },
    {
      title: "Share",
      num: true,
      cell: (row) => percent(ratio(row.cost_nanousd, now.cost_nanousd)),
      sort: (row) => row.cost_nanousd,
    },
    { title: "Estimated", num: true, cell: (row) => moneyOf(row.estimated_nanousd), sort: (row) => row.estimated_nanousd },
    {
      title: "Cache savings",
      num: true,
      cell: (row) => moneyOf(row.cache_saved_nanousd),
      sort: (row) => row.cache_saved_nanousd,
    },
    { title: "Requests", num: true, cell: (row) => countOf(row.requests), sort: (row) => row.requests },
    { title: "Tokens in", num: true, cell: (row) => countOf(row.input_tokens), sort: (row) => row.input_tokens },
    { title: "Tokens out", num: true, cell: (row) => countOf(row.output_tokens), sort: (row) => row.output_tokens },
  ];
  const sum = groups.data.reduce((whole, row) => whole + row.cost_nanousd, 0n);
  const foot = h(
    "tr",
    null,
    h("th", { scope: "row", colspan: dimensions.length }, "In all"),
    h("td", { class: "num", id: "costs-total" }, moneyOf(sum)),
    h("td", { colspan: 2 }),
    h("td", { colspan: 4 }),
  );
  const note = groups.is_complete
    ? null
    : h("p", { class: "notice warn" }, "There are more rows than can be answered: filter, or shorten the span.");
  return card(
    "Spend by group",
    [
      note,
      table({
        label: "Spend by group",
        id: "costs",
        columns,
        rows: groups.data,
        sorted: [dimensions.length, "descending"],
        foot,
        none: "Nothing was spent in this span",
      }),
    ],
    { tools, flush: true },
  );
}

function exported({ groups, by, and, names }) {
  const dimensions = and ? [by, and] : [by];
  const sums = [
    "requests",
    "errors",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "unknown_costs",
    "fallbacks",
  ];
  const rows = groups.data.map((row) => [
    ...dimensions.map((name) => labelOf(name, row.group[name], names)),
    csvDollars(row.cost_nanousd),
    csvDollars(row.estimated_nanousd),
    csvDollars(row.cache_saved_nanousd),
    ...sums.map((name) => row[name]),
  ]);
  saveCsv(
    `costs-${exactMoment(groups.from).slice(0, 10)}-${exactMoment(groups.to).slice(0, 10)}.csv`,
    [...dimensions, "cost_usd", "estimated_usd", "cache_saved_usd", ...sums],
    rows,
  );
}
