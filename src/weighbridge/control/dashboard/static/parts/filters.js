// The filters of a view: what is set as chips, and a way to set more. A filter is a parameter of the address.

import { get } from "../core/api.js";
import { DIMENSIONS, FAILED, REQUEST_FILTERS, filtersOf, labelOf, titleOf } from "../core/dimensions.js";
import { freshId, h } from "../core/dom.js";
import { money, parseMoney } from "../core/format.js";
import { rangeOf } from "../core/range.js";
import { popover } from "./popover.js";

export function filterBar(view, { ofRequests = false, names = null, tools = [] } = {}) {
  return h(
    "div",
    { class: "filter-bar" },
    popover("Add filter", chooser(view, ofRequests, names), { id: "add-filter" }),
    chips(view, ofRequests, names),
    tools,
  );
}

function chips(view, ofRequests, names) {
  const set = Object.entries(filtersOf(view.query, { ofRequests })).flatMap(([name, values]) =>
    values.map((value) => [name, value]),
  );
  const shown = set.map(([name, value]) =>
    chip(`${titleOf(name)}: ${shownValue(name, value, names)}`, () => without(view, name, value)),
  );
  if (view.query.has(FAILED)) shown.push(chip("Only failed", () => view.change({ [FAILED]: null, cursor: null })));
  if (shown.length === 0) return null;
  const all = [...new Set(set.map(([name]) => name)), FAILED];
  const clear = () => view.change({ ...Object.fromEntries(all.map((name) => [name, null])), cursor: null });
  return h(
    "div",
    { class: "chips" },
    shown,
    shown.length > 1 && h("button", { type: "button", class: "button ghost small", on: { click: clear } }, "Clear all"),
  );
}

function shownValue(name, value, names) {
  if (name === "min_cost_nanousd") return money(/^\d+$/.test(value) ? BigInt(value) : 0n);
  return labelOf(name, value, names);
}

function chip(text, drop) {
  return h(
    "span",
    { class: "chip" },
    h("span", { title: text }, text),
    h("button", { type: "button", "aria-label": `Remove filter ${text}`, on: { click: drop } }, "×"),
  );
}

function without(view, name, value) {
  view.change({ [name]: view.query.getAll(name).filter((each) => each !== value), cursor: null });
}

function chooser(view, ofRequests, names) {
  const kinds = [...DIMENSIONS, ...(ofRequests ? REQUEST_FILTERS : [])];
  const [what, which, known] = [freshId("filter"), freshId("filter"), freshId("known")];
  const refusal = h("p", { class: "form-error", role: "alert" });
  const options = h("datalist", { id: known });
  const input = h("input", { id: which, list: known, required: true, autocomplete: "off", spellcheck: "false" });
  const select = h(
    "select",
    { id: what, on: { change: () => offer() } },
    kinds.map((each) => h("option", { value: each.name }, each.title)),
  );

  // What was seen in this span, the most frequent first.
  async function offer() {
    options.replaceChildren();
    const dimension = DIMENSIONS.find((each) => each.name === select.value);
    const kind = REQUEST_FILTERS.find((each) => each.name === select.value)?.kind;
    if (kind === "boolean") options.append(h("option", { value: "true" }), h("option", { value: "false" }));
    if (!dimension) return;
    const { from, to } = rangeOf(view.query);
    try {
      const asked = { from, to, group_by: dimension.name, percentiles: "false", top: 200, order_by: "requests" };
      const usage = await get("/usage", asked, { signal: view.signal });
      const seen = usage.data.sort((a, b) => b.requests - a.requests);
      options.replaceChildren(
        ...seen
          .filter((row) => row.group[dimension.name])
          .map((row) => {
            const value = row.group[dimension.name];
            const label = labelOf(dimension.name, value, names);
            return h("option", { value, label: label === value ? null : label });
          }),
      );
    } catch {
      // Then there is nothing to choose from, but what one knows can be typed.
    }
  }

  function add(event) {
    event.preventDefault();
    const kind = REQUEST_FILTERS.find((each) => each.name === select.value)?.kind;
    const value = valueOf(kind, input.value.trim());
    if (value === null) {
      refusal.textContent = `This is no ${kind === "boolean" ? "true or false" : kind}.`;
      return;
    }
    const held = kind ? [] : view.query.getAll(select.value).filter((each) => each !== value);
    view.change({ [select.value]: [...held, value], cursor: null });
  }

  input.addEventListener("focus", () => options.childElementCount === 0 && offer());
  return h(
    "form",
    { class: "form", on: { submit: add } },
    h("div", { class: "field" }, h("label", { for: what }, "Filter by"), select),
    h("div", { class: "field" }, h("label", { for: which }, "Value"), input, options),
    h("button", { type: "submit", class: "button primary" }, "Add"),
    refusal,
  );
}

function valueOf(kind, text) {
  if (kind === "number") return /^\d{1,9}$/.test(text) ? text : null;
  if (kind === "money") return parseMoney(text)?.toString() ?? null;
  if (kind === "boolean") return { true: "true", yes: "true", false: "false", no: "false" }[text.toLowerCase()] ?? null;
  return text || null;
}
