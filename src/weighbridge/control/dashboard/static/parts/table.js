// Tables that can be sorted, with the figures to the right.

import { announce, h } from "../core/dom.js";
import { exactCount } from "../core/format.js";
import { button } from "./bits.js";
import { empty } from "./states.js";

/** Rows at first, and with each time that more are wanted: a browser takes four seconds to lay out ten thousand. */
const STEP = 200;

/**
 * `columns`: { title, cell(row), sort(row) or none, num, cut (true, or at how many characters), head (the row's own
 * heading) }. `link(row)` is where a row leads when it
 * is clicked anywhere; the row should hold the same link for the keyboard. `sorted`: [column, "ascending" or "descending"].
 */
export function table({
  label,
  columns,
  rows,
  sorted = null,
  link = null,
  none = "Nothing here",
  noneText = "",
  foot = null,
  id = null,
  go = null,
}) {
  if (rows.length === 0) return empty(none, noneText);
  let order = sorted;
  let shown = STEP;
  const body = h("tbody");
  const headings = columns.map((column, index) => heading(column, index));

  function heading(column, index) {
    const props = { scope: "col", class: column.num ? "num" : null };
    if (!column.sort) return h("th", props, column.title || h("span", { class: "unseen" }, column.hidden ?? "Actions"));
    return h("th", props, h("button", { type: "button", class: "sorter", on: { click: () => sortBy(index) } }, column.title));
  }

  function sortBy(index) {
    const first = columns[index].num ? "descending" : "ascending";
    const other = first === "descending" ? "ascending" : "descending";
    order = [index, order?.[0] === index && order[1] === first ? other : first];
    draw();
  }

  function draw() {
    headings.forEach((each, index) => {
      if (order?.[0] === index) each.setAttribute("aria-sort", order[1]);
      else each.removeAttribute("aria-sort");
    });
    body.replaceChildren(...linesOf(0, shown));
  }

  const linesOf = (from, to) => arranged(rows, columns, order).slice(from, to).map((row) => line(row, columns, link, go));

  draw();
  const whole = h(
    "div",
    { class: "table-wrap", role: "group", "aria-label": label, tabindex: "0" },
    h(
      "table",
      { id },
      h("caption", { class: "unseen" }, label),
      h("thead", null, h("tr", null, headings)),
      body,
      foot && h("tfoot", null, foot),
    ),
  );
  return rows.length > STEP ? h("div", null, whole, growth()) : whole;

  /** What says how many of the rows are shown, and shows more of them. */
  function growth() {
    const note = h("p", { class: "card-note" });
    const more = button(`Show ${STEP} more`, grow, { class: "show-more" });
    const tell = () => {
      note.textContent = `${exactCount(Math.min(shown, rows.length))} of ${exactCount(rows.length)} shown`;
      more.hidden = shown >= rows.length;
    };
    function grow() {
      body.append(...linesOf(shown, shown + STEP));
      shown += STEP;
      tell();
      announce(note.textContent);
    }
    tell();
    return h("div", { class: "card-body row apart" }, note, more);
  }
}

/** One row; also for tables that grow. */
export function line(row, columns, link = null, go = null) {
  const href = link?.(row) ?? null;
  const open = (event) => {
    if (href && go && !event.target.closest("a, button, input, select") && String(getSelection()) === "") go(href);
  };
  return h(
    "tr",
    { class: href ? "is-link" : null, on: href ? { click: open } : {} },
    columns.map((column) => {
      const kind = [column.num && "num", column.cut && "cut"].filter(Boolean).join(" ") || null;
      const content = column.cell(row);
      const title = column.cut && typeof content === "string" ? content : null;
      const props = { class: kind, title, vars: typeof column.cut === "number" ? { "--cut": `${column.cut}ch` } : {} };
      return column.head ? h("th", { scope: "row", ...props }, content) : h("td", props, content);
    }),
  );
}

function arranged(rows, columns, order) {
  if (order === null) return rows;
  const value = columns[order[0]].sort;
  const way = order[1] === "ascending" ? 1 : -1;
  return [...rows].sort((one, other) => way * compare(value(one), value(other)));
}

// What is unknown stands last when the largest come first.
function compare(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return -1;
  if (other === null || other === undefined) return 1;
  return typeof one === "string" ? one.localeCompare(other) : one < other ? -1 : 1;
}
