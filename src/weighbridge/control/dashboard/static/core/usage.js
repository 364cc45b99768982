// What `/usage` answers, arranged for tiles, charts and tables.

import { get } from "./api.js";
import { labelOf } from "./dimensions.js";
import { instant, starts } from "./range.js";

/** A row of nothing, for intervals and spans in which nothing happened. */
export const NOTHING = Object.freeze({
  requests: 0,
  errors: 0,
  input_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  reasoning_tokens: 0,
  cost_nanousd: 0n,
  estimated_nanousd: 0n,
  own_key_cost_nanousd: 0n,
  unknown_costs: 0,
  cache_saved_nanousd: 0n,
  fallbacks: 0,
  duration_ms: null,
  first_byte_ms: null,
  overhead_ms: null,
});

export const tokensOf = (row) => row.input_tokens + row.output_tokens;

/** The answer; `range` has `from` and `to`, `filters` are the API's parameters. */
export function usage(range, filters, more = {}, options = {}) {
  return get("/usage", { from: range.from, to: range.to, interval: "none", ...filters, ...more }, options);
}

/** The same without percentiles, which are most of the work, for whoever shows none. */
export function sums(range, filters, more = {}, options = {}) {
  return usage(range, filters, { percentiles: "false", ...more }, options);
}

/** The one row of a span without groups. */
export async function total(range, filters, options) {
  return (await usage(range, filters, {}, options)).data[0] ?? NOTHING;
}

/** An ungrouped series: each start with its row, also where nothing happened. */
export async function overTime(range, filters, interval, options) {
  const answer = await usage(range, filters, { interval }, options);
  const found = new Map(answer.data.map((row) => [Date.parse(row.start), row]));
  const at = startsOf(answer, interval);
  return { starts: at, interval, rows: at.map((start) => found.get(start) ?? NOTHING), answer };
}

/** A grouped series of `measure(row)`: the `most` dearest groups, and the rest as one. */
export async function overTimeBy(dimension, range, filters, interval, measure, { most = 7, names = null, signal } = {}) {
  const answer = await usage(range, filters, { interval, group_by: dimension, top: most }, { signal });
  const at = startsOf(answer, interval);
  const index = new Map(at.map((start, position) => [start, position]));
  const groups = new Map();
  for (const row of answer.data) {
    const value = row.group[dimension];
    if (!groups.has(value)) groups.set(value, { value, sum: 0, values: at.map(() => 0) });
    const group = groups.get(value);
    const position = index.get(Date.parse(row.start));
    if (position === undefined) continue;
    group.values[position] += measure(row);
    group.sum += measure(row);
  }
  const rest = groups.get(null);
  groups.delete(null);
  const series = [...groups.values()]
    .sort((one, other) => other.sum - one.sum)
    .map((group) => ({ name: labelOf(dimension, group.value, names), value: group.value, values: group.values }));
  if (rest) series.push({ name: `${answer.n_groups - series.length} others`, value: null, values: rest.values, kind: 8 });
  return { starts: at, interval, series, answer };
}

function startsOf(answer, interval) {
  const from = instant(answer.from);
  const to = instant(answer.to);
  return starts(from, to, interval);
}
