// Small parts: headings, cards, tiles, badges, figures with their exact values, bars.

import { h, s } from "../core/dom.js";
import { may } from "../core/rights.js";
import { count, duration, exactCount, exactMoment, exactMoney, moment, money, percent, ratio } from "../core/format.js";

export function pageHead(title, lead, ...tools) {
  return h(
    "div",
    { class: "page-head" },
    h("div", { class: "page-head-text" }, h("h1", null, title), lead && h("p", { class: "lead" }, lead)),
    tools.length > 0 && h("div", { class: "page-tools" }, tools),
  );
}

/** A card; `span` is its width in twelfths, `tools` stand beside its title, `flush` leaves a table its own margins. */
export function card(title, body, { span = 12, tools = [], note = null, flush = false, id = null } = {}) {
  return h(
    "section",
    { class: `card span-${span}`, id, "aria-label": title },
    h("div", { class: "card-head" }, h("h2", null, title), tools),
    h("div", { class: flush ? "card-body flush" : "card-body" }, note && h("p", { class: "card-note" }, note), body),
  );
}

export const badge = (text, kind = "", { dot = false, title = null } = {}) =>
  h("span", { class: `badge ${kind}${dot ? " dot" : ""}`, title }, text);

export function statusBadge(status, error) {
  const kind = status >= 500 ? "bad" : status >= 400 ? "warn" : status >= 200 ? "good" : "bad";
  return badge(status > 0 ? String(status) : "none", kind, { title: error ?? null });
}

/** Figures that show little and tell all when pointed at. */
export const moneyOf = (nano) =>
  h("span", { title: exactMoney(nano), class: nano === null ? "faint" : null, data: { nanousd: String(nano) } }, money(nano));
export const countOf = (value) => h("span", { title: exactCount(value), data: { count: String(value) } }, count(value));
export const timeOf = (at) => h("time", { datetime: exactMoment(at), title: exactMoment(at) }, moment(at));

/** How much a figure differs from that of the period before; `better` says which way is good (`up`, `down`, or null: neither). */
export function delta(now, then, better) {
  const share = ratio(Number(now ?? 0) - Number(then ?? 0), then);
  if (share === null) return h("span", { class: "delta" }, Number(now ?? 0) === 0 ? "as before" : "none before");
  if (Math.abs(share) < 0.0005) return h("span", { class: "delta" }, "as before");
  const way = share > 0 ? "up" : "down";
  const kind = better === null ? "" : way === better ? "better" : "worse";
  const size = Math.abs(share) >= 10 ? `${Math.round(Math.abs(share) + 1)}×` : percent(Math.abs(share), 1);
  return h("span", { class: `delta ${kind}`, title: "against the period before" }, `${way === "up" ? "↑" : "↓"} ${size}`);
}

/** A tile with one figure. `series` draws a line below it. */
export function tile({ id, label, value, title = null, foot = [], href = null, series = null }) {
  return h(
    href ? "a" : "div",
    { class: "tile", href, id, title },
    h("span", { class: "tile-label" }, label),
    h("span", { class: "tile-value" }, value),
    h("span", { class: "tile-foot" }, foot),
    series && series.length > 1 && spark(series),
  );
}

function spark(values) {
  const most = Math.max(...values, 0);
  const at = values.map((value, index) => [(index / (values.length - 1)) * 100, most > 0 ? 29 - (value / most) * 25 : 29]);
  const line = at.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L");
  return s(
    "svg",
    { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    s("path", { class: "spark-area", d: `M0,30L${line}L100,30Z` }),
    s("path", { class: "spark-line", d: `M${line}` }),
  );
}

/** A bar with its name, its value and what stands below. `parts` are shares (0 to 1) with a class each. */
export function bar({ name, value, parts, label, foot = [], kind = "" }) {
  return h(
    "div",
    null,
    h("div", { class: "bar-head" }, h("span", { class: "bar-name" }, name), h("span", { class: "bar-value" }, value)),
    h(
      "div",
      { class: `bar ${kind}`, role: "img", "aria-label": label },
      parts.map(({ share, type = "" }) =>
        h("span", { class: type, vars: { "--share": `${Math.min(100, Math.max(0, share * 100))}%` } }),
      ),
    ),
    foot.length > 0 && h("div", { class: "bar-foot" }, foot),
  );
}

/** A small bar in a table's cell. */
export const cellBar = (share) =>
  h("span", { class: "cell-bar", "aria-hidden": "true" }, h("span", { vars: { "--share": `${(share ?? 0) * 100}%` } }));

export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== "")
      .map(([name, value]) => [h("dt", null, name), h("dd", null, value)]),
  );
}

/** `p95` of a figure of the API, or a dash. */
export const quantile = (found, which) => duration(found ? found[which] : null);

/** A button; `changes` is the permission that its act takes: who lacks it is not offered it. */
export function button(
  text,
  click,
  { kind = "", id = null, pressed = null, label = null, disabled = false, changes = null } = {},
) {
  if (changes !== null && !may(changes)) return null;
  return h(
    "button",
    {
      type: "button",
      class: `button ${kind}`,
      id,
      "aria-pressed": pressed === null ? null : String(pressed),
      "aria-label": label,
      disabled,
      on: { click },
    },
    text,
  );
}

/** A choice among few, as buttons side by side. */
export function segments(label, options, chosen, choose, id = "") {
  return h(
    "div",
    { class: "segments", role: "group", "aria-label": label },
    options.map(([value, text, title]) =>
      h(
        "button",
        {
          type: "button",
          id: id && `${id}-${value}`,
          "aria-pressed": String(value === chosen),
          title: title ?? null,
          on: { click: () => choose(value) },
        },
        text,
      ),
    ),
  );
}

/** A choice among many. */
export function choice(label, options, chosen, choose, id) {
  return h(
    "select",
    { class: "input narrow", id, "aria-label": label, on: { change: (event) => choose(event.target.value) } },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
}
