// When each attempt of a request was sent, began to answer, and ended.

import { h, s } from "../core/dom.js";
import { duration } from "../core/format.js";
import { table } from "../parts/table.js";
import { niceSteps } from "./scale.js";

const ROW = 34;
const TOP = 22;
const WIDTH = 1_000;
const LABEL = 230;

/** `whole` is the request's duration in ms; `attempts` as the API has them. */
export function waterfall(whole, firstByte, attempts) {
  const end = Math.max(whole, ...attempts.map((each) => each.end_ms ?? 0), 0.001);
  const steps = niceSteps(end, 6).filter((step) => step <= end);
  const x = (ms) => LABEL + (ms / end) * (WIDTH - LABEL - 12);
  const height = TOP + ROW * (attempts.length + 1) + 6;
  const drawing = s(
    "svg",
    { class: "waterfall", viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true", focusable: "false" },
    steps.map((step) => [
      s("line", { class: "rule", x1: x(step), x2: x(step), y1: TOP - 4, y2: height }),
      s("text", { class: "axis-text", x: x(step), y: 12, "text-anchor": "middle" }, duration(step)),
    ]),
    row(0, "Whole request", [segment(0, whole, "whole", `Whole request: ${duration(whole)}`)], x),
    attempts.map((each, index) => row(index + 1, `${index + 1}. ${each.provider}/${each.model}`, segments(each), x)),
    known(firstByte) && s("line", { class: "first-byte-line", x1: x(firstByte), x2: x(firstByte), y1: TOP, y2: height }),
  );
  const columns = [
    { title: "Attempt", head: true, cell: (each) => `${each.provider}/${each.model}` },
    { title: "Sent", num: true, cell: (each) => duration(shown(each.sent_ms)) },
    { title: "First byte", num: true, cell: (each) => duration(shown(each.first_byte_ms)) },
    { title: "End", num: true, cell: (each) => duration(shown(each.end_ms)) },
  ];
  return h(
    "div",
    null,
    h("div", { class: "waterfall-scroll" }, drawing),
    h("div", { class: "unseen" }, table({ label: "Attempts in time", columns, rows: attempts })),
  );
}

const known = (ms) => ms !== null && ms !== undefined && ms >= 0;
const shown = (ms) => (known(ms) ? ms : null);
const segment = (from, to, kind, title) => ({ from, to, kind, title });

function segments(each) {
  if (!known(each.sent_ms))
    return known(each.end_ms) ? [segment(0, each.end_ms, "failed", `Never sent; given up after ${duration(each.end_ms)}`)] : [];
  const found = [segment(0, each.sent_ms, "before", `Until sent: ${duration(each.sent_ms)}`)];
  const end = known(each.end_ms) ? each.end_ms : each.sent_ms;
  if (!known(each.first_byte_ms))
    return [...found, segment(each.sent_ms, end, "failed", `Waited ${duration(end - each.sent_ms)} for nothing`)];
  return [
    ...found,
    segment(
      each.sent_ms,
      each.first_byte_ms,
      "waiting",
      `Waited for the first byte: ${duration(each.first_byte_ms - each.sent_ms)}`,
    ),
    segment(each.first_byte_ms, end, each.error ? "failed" : "receiving", `Received: ${duration(end - each.first_byte_ms)}`),
  ];
}

function row(index, name, found, x) {
  const y = TOP + ROW * index;
  return [
    s("text", { class: "row-text", x: 0, y: y + 21 }, name.length > 34 ? `${name.slice(0, 33)}…` : name, s("title", null, name)),
    found.map(({ from, to, kind, title }) =>
      s(
        "rect",
        {
          class: `span-${kind}`,
          x: x(from),
          y: y + 8,
          width: Math.max(kind === "before" ? 0 : 1.5, x(to) - x(from)),
          height: 17,
          rx: 3,
        },
        s("title", null, title),
      ),
    ),
  ];
}
