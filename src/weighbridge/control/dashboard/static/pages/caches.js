// Caches: how much of what goes in comes from the providers' prompt caches, what that saves, and where writing costs more than it saves.

import { filtersOf, groupings, isDimension, labelOf, requestsLink, titleOf } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { count, exactCount, exactMoney, money, percent, ratio } from "../core/format.js";
import { keyNames } from "../core/names.js";
import { before, intervalOf, next, rangeName, rangeOf } from "../core/range.js";
import { overTime, sums, total } from "../core/usage.js";
import { timeChart } from "../charts/time_chart.js";
import { card, cellBar, choice, countOf, delta, moneyOf, pageHead, tile } from "../parts/bits.js";
import { filterBar } from "../parts/filters.js";
import { rangePicker } from "../parts/range_picker.js";
import { table } from "../parts/table.js";

export async function show(view) {
  const found = await load(view);
  return h(
    "div",
    null,
    pageHead("Caches", `${rangeName(found.range)}, against the period before`, rangePicker(view)),
    filterBar(view, { names: found.names }),
    tiles(view, found),
    h("div", { class: "grid" }, chartCard(view, found), losersCard(view, found), tableCard(view, found)),
  );
}

async function load(view) {
  const range = rangeOf(view.query);
  const filters = filtersOf(view.query);
  const options = { signal: view.signal };
  const by = isDimension(view.query.get("by")) ? view.query.get("by") : "model";
  const [now, then, time, groups, tags, names] = await Promise.all([
    total(range, filters, options),
    total(before(range), filters, options),
    overTime(range, filters, intervalOf(range), options),
    sums(range, filters, { group_by: by }, options),
    sums(range, filters, { group_by: "tag" }, options),
    keyNames(options),
  ]);
  return { range, by, now, then, time, rows: groups.data, names, options: groupings(tags.data) };
}

const shareRead = (row) => ratio(row.cache_read_tokens, row.input_tokens);
const plain = (row) => row.input_tokens - row.cache_read_tokens - row.cache_write_tokens;
/** How often a token that was written to a cache was read from it; null where nothing was written, as with caches that cost nothing. */
const readsEach = (row) => ratio(row.cache_read_tokens, row.cache_write_tokens);
const timesOf = (value) => (value === null ? "–" : `${value.toFixed(1)}×`);

function tiles(view, { now, then, time }) {
  const link = requestsLink(view.query);
  const line = (measure) => time.rows.map((row) => measure(row) ?? 0);
  return h(
    "div",
    { class: "tiles", vars: { "--columns": "4" } },
    tile({
      id: "tile-saved",
      label: "Saved",
      value: money(now.cache_saved_nanousd),
      title: exactMoney(now.cache_saved_nanousd),
      href: link,
      series: line((row) => Number(row.cache_saved_nanousd)),
      foot: [delta(now.cache_saved_nanousd, then.cache_saved_nanousd, "up"), h("span", null, `of ${uncached(now)} without caches`)],
    }),
    tile({
      id: "tile-read-share",
      label: "Input from caches",
      value: percent(shareRead(now) ?? 0),
      href: link,
      series: line(shareRead),
      foot: [delta(shareRead(now), shareRead(then), "up")],
    }),
    tile({
      id: "tile-read",
      label: "Tokens read",
      value: count(now.cache_read_tokens),
      title: exactCount(now.cache_read_tokens),
      href: link,
      series: line((row) => row.cache_read_tokens),
      foot: [delta(now.cache_read_tokens, then.cache_read_tokens, null)],
    }),
    tile({
      id: "tile-written",
      label: "Tokens written",
      value: count(now.cache_write_tokens),
      title: exactCount(now.cache_write_tokens),
      href: link,
      series: line((row) => row.cache_write_tokens),
      foot: [h("span", null, `each read ${timesOf(readsEach(now))}`)],
    }),
  );
}

const uncached = (row) => money(row.cost_nanousd + row.cache_saved_nanousd);

function chartCard(view, { time }) {
  const open = (index) => {
    const start = time.starts[index];
    view.go(
      requestsLink(view.query, { from: new Date(start).toISOString(), to: new Date(next(start, time.interval)).toISOString() }),
    );
  };
  const chart = timeChart({
    id: "chart-caches",
    label: "Input tokens",
    starts: time.starts,
    interval: time.interval,
    series: [
      { name: "Read from a cache", values: time.rows.map((row) => row.cache_read_tokens), kind: "good" },
      { name: "Written to a cache", values: time.rows.map((row) => row.cache_write_tokens) },
      { name: "Neither", values: time.rows.map(plain), kind: 8 },
    ],
    shape: "bars",
    format: (value) => count(value),
    open,
    none: "No token went in in this span",
  });
  return card("Input tokens", chart, { span: 8 });
}

function losersCard(view, { rows, by, names }) {
  const losing = rows
    .filter((row) => row.cache_saved_nanousd < 0n)
    .sort((one, other) => (one.cache_saved_nanousd < other.cache_saved_nanousd ? -1 : 1))
    .slice(0, 6);
  const columns = [
    {
      title: titleOf(by),
      head: true,
      cut: 22,
      cell: (row) =>
        h("a", { href: requestsLink(view.query, { [by]: row.group[by] }) }, labelOf(by, row.group[by], names)),
    },
    { title: "Each read", num: true, cell: (row) => timesOf(readsEach(row)) },
    { title: "Lost", num: true, cell: (row) => moneyOf(-row.cache_saved_nanousd) },
  ];
  return card(
    "Written, and hardly read",
    table({
      label: "Where caches cost more than they save",
      id: "losing",
      columns,
      rows: losing,
      none: "Nowhere",
      noneText: "Writing to a cache costs extra with some providers. Where it is hardly read again, that is a loss.",
    }),
    { span: 4, flush: true },
  );
}

function tableCard(view, { rows, by, names, options }) {
  const most = rows.reduce((largest, row) => (row.cache_saved_nanousd > largest ? row.cache_saved_nanousd : largest), 0n);
  const behind = (row) => requestsLink(view.query, row.group[by] ? { [by]: row.group[by] } : {});
  const columns = [
    {
      title: titleOf(by),
      head: true,
      cut: 40,
      cell: (row) => h("a", { href: behind(row), title: row.group[by] }, labelOf(by, row.group[by], names)),
      sort: (row) => labelOf(by, row.group[by], names),
    },
    { title: "Tokens in", num: true, cell: (row) => countOf(row.input_tokens), sort: (row) => row.input_tokens },
    {
      title: "From caches",
      num: true,
      cell: (row) => [cellBar(shareRead(row) ?? 0), percent(shareRead(row) ?? 0)],
      sort: shareRead,
    },
    { title: "Read", num: true, cell: (row) => countOf(row.cache_read_tokens), sort: (row) => row.cache_read_tokens },
    { title: "Written", num: true, cell: (row) => countOf(row.cache_write_tokens), sort: (row) => row.cache_write_tokens },
    { title: "Each read", num: true, cell: (row) => timesOf(readsEach(row)), sort: readsEach },
    { title: "Spend", num: true, cell: (row) => moneyOf(row.cost_nanousd), sort: (row) => row.cost_nanousd },
    {
      title: "Saved",
      num: true,
      cell: (row) => [
        cellBar(row.cache_saved_nanousd > 0n ? ratio(row.cache_saved_nanousd, most) : 0),
        moneyOf(row.cache_saved_nanousd),
      ],
      sort: (row) => row.cache_saved_nanousd,
    },
  ];
  return card(
    "What caches save",
    table({
      label: "What caches save",
      id: "caches",
      columns,
      rows,
      sorted: [7, "descending"],
      link: behind,
      go: (path) => view.go(path),
      none: "No request in this span",
    }),
    { flush: true, tools: [choice("Dimension", options, by, (name) => view.change({ by: name }), "group-by")] },
  );
}
