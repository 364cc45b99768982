// A chart over time as SVG of our own: lines, or bars that stand on one another. It answers to pointer and keyboard, follows its
// width, and can be read as a table. Why no library: docs/decisions/0014-dashboard.md.

import { announce, fill, h, s } from "../core/dom.js";
import { table } from "../parts/table.js";
import { intervalName, niceSteps, timeSteps } from "./scale.js";

const HEIGHT = 220;
const MARGIN = { top: 10, right: 10, bottom: 24, left: 52 };
const MAX_BAR = 34;
/** Charts that the reader wants as a table, by their ids: it holds while pages are drawn anew. */
const asTable = new Set();

/**
 * `starts`: Unix ms of each interval; `series`: [{ name, values, kind }] with a Number or null for each start; `format(value)` is what
 * people read; `shape` is `lines` or `bars`; `open(index)` is called when an interval is chosen.
 */
export function timeChart({
  id,
  label,
  starts,
  interval,
  series,
  format,
  shape = "lines",
  open = null,
  none = "Nothing in this span",
}) {
  if (starts.length === 0 || series.every((each) => each.values.every((value) => !value))) {
    return h("div", { class: "chart" }, h("p", { class: "chart-empty" }, none));
  }
  const state = { at: -1, hidden: new Set() };
  const holder = h("div", { class: "chart", id });
  const plot = h("div", {
    class: "chart-plot",
    tabindex: "0",
    role: "application",
    "aria-label": `${label}. Arrow keys read the figures.`,
  });
  const reading = h("div", { class: "chart-reading", hidden: true });
  const legend = h("div", { class: "chart-legend" });
  const chart = { id, label, starts, interval, series, format, shape, open, state, plot, reading };

  const draw = () => {
    if (plot.clientWidth > 0) paint(chart);
  };
  const watcher = new ResizeObserver(draw);
  watcher.observe(plot);
  follow(chart);
  drawLegend(legend, chart, draw);
  const toggle = h("button", {
    type: "button",
    class: "button ghost small chart-toggle",
    id: `${id}-table`,
    on: { click: () => flip() },
  });

  function flip() {
    if (asTable.has(id)) asTable.delete(id);
    else asTable.add(id);
    show();
  }

  function show() {
    const isTable = asTable.has(id);
    toggle.textContent = isTable ? "As chart" : "As table";
    fill(
      holder,
      isTable ? asRows(chart) : h("div", { class: "chart-stage" }, plot, reading),
      h("div", { class: "chart-foot" }, isTable ? h("span") : legend, toggle),
    );
  }

  show();
  return holder;
}

function visible(chart) {
  return chart.series.filter((each) => !chart.state.hidden.has(each.name));
}

function paint(chart) {
  const width = chart.plot.clientWidth;
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const shown = visible(chart);
  const most = Math.max(0, ...chart.starts.map((_start, index) => peak(chart, shown, index)));
  const steps = niceSteps(most);
  const top = steps[steps.length - 1];
  const slot = inner.width / chart.starts.length;
  Object.assign(chart, {
    x: (index) => MARGIN.left + slot * (index + 0.5),
    y: (value) => MARGIN.top + inner.height * (1 - value / top),
    slot,
  });
  const drawing = s(
    "svg",
    { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" },
    steps.map((step) => [
      s("line", {
        class: step === 0 ? "axis" : "rule",
        x1: MARGIN.left,
        x2: width - MARGIN.right,
        y1: chart.y(step),
        y2: chart.y(step),
      }),
      s("text", { class: "axis-text", x: MARGIN.left - 8, y: chart.y(step) + 4, "text-anchor": "end" }, chart.format(step, "axis")),
    ]),
    timeTexts(chart, width, slot),
    s("g", null, chart.shape === "bars" ? bars(chart, shown) : shown.map((each) => path(chart, each))),
    s("g", { class: "cursor" }),
  );
  fill(chart.plot, drawing);
  if (chart.state.at >= 0) mark(chart, chart.state.at);
}

function peak(chart, shown, index) {
  const values = shown.map((each) => each.values[index] ?? 0);
  return chart.shape === "bars" ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values);
}

function timeTexts(chart, width, slot) {
  const first = chart.starts[0];
  const last = chart.starts[chart.starts.length - 1];
  const isDaily = chart.interval === "day" || chart.interval === "month";
  const steps = timeSteps(first, last, Math.max(2, Math.floor(width / 90)), isDaily);
  const size = chart.starts.length > 1 ? (last - first) / (chart.starts.length - 1) : 1;
  return steps.map(({ at, text }) => {
    const x =
      MARGIN.left + slot * ((at - first) / size + (chart.shape === "bars" && isDaily ? 0.5 : chart.shape === "bars" ? 0 : 0.5));
    const anchor = x < MARGIN.left + 18 ? "start" : x > width - 30 ? "end" : "middle";
    return s("text", { class: "axis-text", x, y: HEIGHT - 6, "text-anchor": anchor }, text);
  });
}

function bars(chart, shown) {
  const width = Math.min(MAX_BAR, Math.max(1, chart.slot * 0.76));
  return chart.starts.map((_start, index) => {
    let below = 0;
    return shown.map((each) => {
      const value = each.values[index] ?? 0;
      if (value <= 0) return null;
      const [low, high] = [chart.y(below), chart.y(below + value)];
      below += value;
      return s("rect", {
        class: `fill-${colour(chart, each)}`,
        x: chart.x(index) - width / 2,
        y: high,
        width,
        height: Math.max(0.5, low - high),
      });
    });
  });
}

function path(chart, each) {
  // A gap in what is known is a gap in the line; a point between two gaps is a dot.
  const runs = [];
  let run = [];
  each.values.forEach((value, index) => {
    if (value === null || value === undefined) {
      runs.push(run);
      run = [];
    } else run.push(`${chart.x(index).toFixed(1)},${chart.y(value).toFixed(1)}`);
  });
  runs.push(run);
  const d = runs
    .filter((points) => points.length > 0)
    .map((points) => `M${points.length === 1 ? `${points[0]}h0.01` : points.join("L")}`);
  return s("path", { class: `line stroke-${colour(chart, each)}`, d: d.join("") });
}

const colour = (chart, each) => each.kind ?? (chart.series.indexOf(each) % 8) + 1;

function follow(chart) {
  const { plot, state } = chart;
  const move = (at) => {
    state.at = at;
    mark(chart, at);
  };
  plot.addEventListener("pointermove", (event) => {
    const x = event.clientX - plot.getBoundingClientRect().left - MARGIN.left;
    move(Math.max(0, Math.min(chart.starts.length - 1, Math.floor(x / chart.slot))));
  });
  plot.addEventListener("pointerleave", () => move(-1));
  plot.addEventListener("blur", () => move(-1));
  plot.addEventListener("click", () => state.at >= 0 && chart.open?.(state.at));
  plot.addEventListener("keydown", (event) => {
    const last = chart.starts.length - 1;
    const at = {
      ArrowLeft: state.at < 0 ? last : Math.max(0, state.at - 1),
      ArrowRight: Math.min(last, state.at + 1),
      Home: 0,
      End: last,
      Escape: -1,
    }[event.key];
    if (event.key === "Enter" && state.at >= 0) chart.open?.(state.at);
    if (at === undefined) return;
    event.preventDefault();
    move(at);
    if (at >= 0) announce(spoken(chart, at));
  });
  if (chart.open) plot.classList.add("can-open");
}

function spoken(chart, at) {
  const figures = visible(chart).map(
    (each) => `${each.name} ${each.values[at] === null ? "unknown" : chart.format(each.values[at])}`,
  );
  return `${intervalName(chart.starts[at], chart.interval)}: ${figures.join(", ")}`;
}

function mark(chart, at) {
  const cursor = chart.plot.querySelector(".cursor");
  if (!cursor) return;
  chart.reading.hidden = at < 0;
  if (at < 0) {
    fill(cursor);
    return;
  }
  const x = chart.x(at);
  fill(cursor, s("line", { class: "cursor-line", x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
  const rows = visible(chart).filter((each) => chart.shape !== "bars" || each.values[at]);
  const total = rows.reduce((sum, each) => sum + (each.values[at] ?? 0), 0);
  fill(
    chart.reading,
    h("p", { class: "reading-title" }, intervalName(chart.starts[at], chart.interval)),
    rows.map((each) => readingRow(chart, each.name, each.values[at], colour(chart, each))),
    chart.shape === "bars" && rows.length > 1 && readingRow(chart, "Total", total, null),
    rows.length === 0 && h("p", { class: "soft" }, "Nothing"),
  );
  const isLeft = x > chart.plot.clientWidth / 2;
  chart.reading.classList.toggle("is-left", isLeft);
  chart.reading.style.setProperty("--x", `${isLeft ? chart.plot.clientWidth - x + 12 : x + 12}px`);
}

function readingRow(chart, name, value, kind) {
  return h(
    "p",
    { class: "reading-row" },
    h("span", { class: kind === null ? "swatch" : `swatch ground-${kind}`, "aria-hidden": "true" }),
    h("span", { class: "reading-name" }, name),
    h("span", { class: "reading-value" }, value === null || value === undefined ? "–" : chart.format(value)),
  );
}

function drawLegend(legend, chart, draw) {
  fill(
    legend,
    chart.series.map((each) => {
      const isShown = !chart.state.hidden.has(each.name);
      return h(
        "button",
        {
          type: "button",
          class: "legend-item",
          "aria-pressed": String(isShown),
          title: isShown ? "Click to hide" : "Click to show",
          on: {
            click: () => {
              if (isShown) chart.state.hidden.add(each.name);
              else chart.state.hidden.delete(each.name);
              drawLegend(legend, chart, draw);
              draw();
            },
          },
        },
        h("span", { class: `swatch ground-${colour(chart, each)}`, "aria-hidden": "true" }),
        h("span", { class: "legend-name" }, each.name),
      );
    }),
  );
}

function asRows(chart) {
  const columns = [
    {
      title: chart.interval[0].toUpperCase() + chart.interval.slice(1),
      head: true,
      cell: (at) => intervalName(chart.starts[at], chart.interval),
      sort: (at) => chart.starts[at],
    },
    ...chart.series.map((each) => ({
      title: each.name,
      num: true,
      cell: (at) => (each.values[at] === null || each.values[at] === undefined ? "–" : chart.format(each.values[at])),
      sort: (at) => each.values[at] ?? null,
    })),
  ];
  return h(
    "div",
    { class: "chart-rows" },
    table({ label: chart.label, columns, rows: chart.starts.map((_start, index) => index) }),
  );
}
