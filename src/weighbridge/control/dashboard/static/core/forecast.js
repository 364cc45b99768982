// What a month will have cost by its end, and which days cost more than days like them. Amounts are dollars as Numbers: these are
// guesses, and no guess is exact.

const DAY_MS = 86_400_000;
const PACE_DAYS = 7;
const MEMORY_DAYS = 14;
const LEAST_DAYS = 5;
/** How many (scaled) median deviations above the median a day stands out at, and at least by which factor and amount. */
const STANDS_OUT = 4;
const FACTOR = 1.5;
const LEAST_DOLLARS = 0.01;

/**
 * The month's end by the pace of the last complete days. `days`: [{ at, value }] without gaps, `at` being midnight UTC. Null while
 * there is no complete day.
 */
export function monthsEnd(days, now) {
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const date = new Date(now);
  const first = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
  const next = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
  const complete = days.filter((day) => day.at < today).slice(-PACE_DAYS);
  if (complete.length === 0) return null;
  const spent = sum(days.filter((day) => day.at >= first && day.at <= now).map((day) => day.value));
  const daysLeft = (next - now) / DAY_MS;
  const pace = sum(complete.map((day) => day.value)) / complete.length;
  const deviation = Math.sqrt(sum(complete.map((day) => (day.value - pace) ** 2)) / Math.max(1, complete.length - 1));
  // The days are taken as independent: their deviations add up as squares.
  const margin = 1.28 * deviation * Math.sqrt(daysLeft);
  return {
    spent,
    pace,
    expected: spent + pace * daysLeft,
    low: Math.max(spent, spent + pace * daysLeft - margin),
    high: spent + pace * daysLeft + margin,
    end: next,
  };
}

/** Days of a series that stand out above those before them: [{ at, value, usual }], the largest excess first. */
export function anomalies(days) {
  const found = [];
  days.forEach((day, index) => {
    const before = days.slice(Math.max(0, index - MEMORY_DAYS), index).map((each) => each.value);
    const known = before.filter((value) => value > 0);
    if (known.length < LEAST_DAYS) return;
    const usual = median(before);
    const deviation = 1.4826 * median(before.map((value) => Math.abs(value - usual)));
    if (usual > 0 && day.value > usual + STANDS_OUT * deviation && day.value > usual * FACTOR && day.value - usual > LEAST_DOLLARS)
      found.push({ at: day.at, value: day.value, usual });
  });
  return found.sort((one, other) => other.value - other.usual - (one.value - one.usual));
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

function median(values) {
  const ranked = [...values].sort((one, other) => one - other);
  const middle = ranked.length >> 1;
  return ranked.length % 2 ? ranked[middle] : (ranked[middle - 1] + ranked[middle]) / 2;
}
