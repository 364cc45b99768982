// Sessions: what callers say belongs together, such as an agent's run; and one of them as a tree.
//
// There may be a hundred thousand. The gateway tells those that have most of something, and all others as one.

import { filtersOf, requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { exactCount, percent, plural, ratio } from "../core/format.js";
import { keyNames } from "../core/names.js";
import { rangeInText, rangeOf } from "../core/range.js";
import { sums, tokensOf } from "../core/usage.js";
import { card, cellBar, choice, countOf, moneyOf, pageHead } from "../parts/bits.js";
import { filterBar } from "../parts/filters.js";
import { rangePicker } from "../parts/range_picker.js";
import { table } from "../parts/table.js";

const TOP = 200;

/** By what they can be ordered. */
const ORDERS = [
  ["cost_nanousd", "Most spent first"],
  ["requests", "Most requests first"],
  ["errors", "Most failures first"],
  ["input_tokens", "Most tokens in first"],
  ["output_tokens", "Most tokens out first"],
  ["cache_read_tokens", "Most from caches first"],
];

export async function show(view) {
  if (view.thing) return (await import("./session.js")).show(view);
  const range = rangeOf(view.query);
  const options = { signal: view.signal };
  const wanted = view.query.get("order");
  const order = ORDERS.some(([name]) => name === wanted) ? wanted : ORDERS[0][0];
  const [used, names] = await Promise.all([
    sums(range, filtersOf(view.query), { group_by: "session", top: TOP, order_by: order }, options),
    keyNames(options),
  ]);
  const rows = used.data.filter((row) => row.group.session);
  const others = used.data.find((row) => row.group.session === null);
  const most = rows.reduce((largest, row) => (row.cost_nanousd > largest ? row.cost_nanousd : largest), 0n);
  const linkOf = (row) =>
    `/dashboard/sessions/${encodeURIComponent(row.group.session)}?${new URLSearchParams({ from: range.from, to: range.to })}`;
  const columns = [
    {
      title: "Session",
      head: true,
      cut: 44,
      cell: (row) => h("a", { href: linkOf(row), title: row.group.session }, row.group.session),
      sort: (row) => row.group.session,
    },
    {
      title: "Requests",
      num: true,
      cell: (row) =>
        h("a", { class: "plain-link", href: requestsLink(view.query, { session: row.group.session }) }, countOf(row.requests)),
      sort: (row) => row.requests,
    },
    {
      title: "Failed",
      num: true,
      cell: (row) => percent(ratio(row.errors, row.requests)),
      sort: (row) => ratio(row.errors, row.requests),
    },
    { title: "Tokens", num: true, cell: (row) => countOf(tokensOf(row)), sort: tokensOf },
    {
      title: "From caches",
      num: true,
      cell: (row) => percent(ratio(row.cache_read_tokens, row.input_tokens) ?? 0),
      sort: (row) => ratio(row.cache_read_tokens, row.input_tokens),
    },
    {
      title: "Spend",
      num: true,
      cell: (row) => [cellBar(ratio(row.cost_nanousd, most)), moneyOf(row.cost_nanousd)],
      sort: (row) => row.cost_nanousd,
    },
  ];
  const nOthers = used.n_groups - used.data.filter((row) => row.group.session !== null).length;
  const counted = others ? `The first ${rows.length} of ${exactCount(rows.length + nOthers)} sessions` : plural(rows.length, "session");
  const hint = "A caller names its session in a header or in metadata, and its requests appear together.";
  return h(
    "div",
    null,
    pageHead("Sessions", `${counted} of ${rangeInText(range)}`, rangePicker(view)),
    filterBar(view, { names }),
    card(
      "Sessions",
      table({
        label: "Sessions",
        id: "sessions",
        columns,
        rows: rows.sort((one, other) => (one[order] < other[order] ? 1 : one[order] > other[order] ? -1 : 0)),
        foot: others && othersLine(others, nOthers),
        link: linkOf,
        go: (path) => view.go(path),
        none: "No session in this span",
        noneText: hint,
      }),
      {
        flush: true,
        tools: [choice("Order", ORDERS, order, (name) => view.change({ order: name }), "order")],
      },
    ),
  );
}

function othersLine(row, n) {
  return h(
    "tr",
    { id: "others" },
    h("th", { scope: "row" }, `${exactCount(n)} others`),
    h("td", { class: "num" }, countOf(row.requests)),
    h("td", { class: "num" }, percent(ratio(row.errors, row.requests))),
    h("td", { class: "num" }, countOf(tokensOf(row))),
    h("td", { class: "num" }, percent(ratio(row.cache_read_tokens, row.input_tokens) ?? 0)),
    h("td", { class: "num" }, moneyOf(row.cost_nanousd)),
  );
}
