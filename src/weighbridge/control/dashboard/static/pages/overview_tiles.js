// The tiles of the overview: each figure of the span with how it went over time, and against the period before.

import { FAILED, requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { count, dollars, exactCount, exactMoney, money, percent, ratio } from "../core/format.js";
import { tokensOf } from "../core/usage.js";
import { delta, quantile, tile } from "../parts/bits.js";

export function tiles(view, { now, then, time }) {
  const link = (more) => requestsLink(view.query, more);
  const line = (measure) => time.rows.map((row) => measure(row) ?? 0);
  const was = (current, earlier, better) => delta(current, earlier, better);
  return h(
    "div",
    { class: "tiles" },
    tile({
      id: "tile-spend",
      label: "Spend",
      value: money(now.cost_nanousd),
      title: exactMoney(now.cost_nanousd),
      href: link(),
      series: line((row) => dollars(row.cost_nanousd)),
      foot: [
        was(now.cost_nanousd, then.cost_nanousd, "down"),
        now.estimated_nanousd > 0n && h("span", null, `${money(now.estimated_nanousd)} estimated`),
      ],
    }),
    tile({
      id: "tile-requests",
      label: "Requests",
      value: count(now.requests),
      title: exactCount(now.requests),
      href: link(),
      series: line((row) => row.requests),
      foot: [was(now.requests, then.requests, null)],
    }),
    tile({
      id: "tile-tokens",
      label: "Tokens",
      value: count(tokensOf(now)),
      title: exactCount(tokensOf(now)),
      href: link(),
      series: line(tokensOf),
      foot: [was(tokensOf(now), tokensOf(then), null), h("span", null, `${count(now.output_tokens)} out`)],
    }),
    tile({
      id: "tile-errors",
      label: "Error rate",
      value: percent(ratio(now.errors, now.requests) ?? 0),
      title: `${exactCount(now.errors)} of ${exactCount(now.requests)}`,
      href: link({ [FAILED]: "1" }),
      series: line((row) => ratio(row.errors, row.requests)),
      foot: [
        was(ratio(now.errors, now.requests), ratio(then.errors, then.requests), "down"),
        h("span", null, `${count(now.errors)} failed`),
      ],
    }),
    tile({
      id: "tile-latency",
      label: "Latency, p95",
      value: quantile(now.duration_ms, "p95"),
      href: link(),
      series: line((row) => row.duration_ms?.p95),
      foot: [was(now.duration_ms?.p95, then.duration_ms?.p95, "down"), h("span", null, `p50 ${quantile(now.duration_ms, "p50")}`)],
    }),
    tile({
      id: "tile-first-byte",
      label: "First byte, p95",
      value: quantile(now.first_byte_ms, "p95"),
      href: link(),
      series: line((row) => row.first_byte_ms?.p95),
      foot: [
        was(now.first_byte_ms?.p95, then.first_byte_ms?.p95, "down"),
        h("span", null, `p50 ${quantile(now.first_byte_ms, "p50")}`),
      ],
    }),
    tile({
      id: "tile-overhead",
      label: "Overhead, p50",
      value: quantile(now.overhead_ms, "p50"),
      href: link(),
      series: line((row) => row.overhead_ms?.p50),
      foot: [was(now.overhead_ms?.p50, then.overhead_ms?.p50, "down"), h("span", null, `p99 ${quantile(now.overhead_ms, "p99")}`)],
    }),
    tile({
      id: "tile-saved",
      label: "Cache savings",
      value: money(now.cache_saved_nanousd),
      title: exactMoney(now.cache_saved_nanousd),
      href: `/dashboard/caches${link().slice("/dashboard/requests".length)}`,
      series: line((row) => row.cache_read_tokens),
      foot: [h("span", null, `${percent(ratio(now.cache_read_tokens, now.input_tokens) ?? 0)} of input from caches`)],
    }),
  );
}
