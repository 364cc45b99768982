// Axes: round steps, and moments that people name.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TIME_STEPS = [
  MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  7 * DAY,
  14 * DAY,
];

/** About `n` round values from 0 to beyond `most`. */
export function niceSteps(most, n = 4) {
  if (!(most > 0)) return [0, 1];
  const raw = most / n;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((each) => each * size >= raw) * size;
  const values = [];
  for (let index = 0; index * step < most + step * 0.999 || index < 2; index += 1) values.push(index * step);
  return values;
}

/** Moments to name on an axis from `start` to `end` (Unix ms), at most `n`; each with its text. Days are UTC days where `isDaily`. */
export function timeSteps(start, end, n, isDaily) {
  const step =
    TIME_STEPS.find((each) => (end - start) / each <= n && (!isDaily || each >= DAY)) ??
    Math.ceil((end - start) / n / (30 * DAY)) * 30 * DAY;
  const shift = isDaily ? 0 : new Date(start).getTimezoneOffset() * MINUTE;
  const zone = isDaily ? "UTC" : undefined;
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone });
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const found = [];
  for (let at = Math.ceil((start - shift) / step) * step + shift; at <= end; at += step) {
    const isMidnight = (at - shift) % DAY === 0;
    found.push({ at, text: step >= DAY || isMidnight ? day.format(at) : clock.format(at) });
  }
  return found;
}

/** An interval's start in words. */
export function intervalName(at, interval) {
  const options = {
    minute: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
    hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
    day: { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" },
    month: { month: "long", year: "numeric", timeZone: "UTC" },
  }[interval];
  return new Intl.DateTimeFormat("en-GB", options).format(at);
}
