// Spans of time as the API takes them: relative (`-24h`, `now`) or RFC 3339; and how finely to cut one for a chart.

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const RELATIVE = /^-(\d{1,5})([mhd])$/;

export const PRESETS = [
  { from: "-1h", label: "1 h", name: "Last hour" },
  { from: "-24h", label: "24 h", name: "Last 24 hours" },
  { from: "-7d", label: "7 d", name: "Last 7 days" },
  { from: "-30d", label: "30 d", name: "Last 30 days" },
];
export const STANDARD = "-24h";

/** The span of a view from its query; what cannot be read is the last 24 hours. */
export function rangeOf(query) {
  const from = query.get("from") ?? STANDARD;
  const to = query.get("to") ?? "now";
  const start = instant(from);
  const end = instant(to);
  if (start === null || end === null || end <= start) return made(STANDARD, "now");
  return made(from, to);
}

function made(from, to) {
  return { from, to, start: instant(from), end: instant(to), span: instant(to) - instant(from) };
}

/** Unix milliseconds of a bound; null if it cannot be read. */
export function instant(bound, now = Date.now()) {
  if (bound === "now") return now;
  const found = RELATIVE.exec(bound);
  if (found) return now - Number(found[1]) * UNITS[found[2]];
  const parsed = Date.parse(bound);
  return Number.isNaN(parsed) ? null : parsed;
}

/** The span of the same length just before. */
export function before(range) {
  const relative = RELATIVE.exec(range.from);
  if (relative && range.to === "now") return { from: `-${Number(relative[1]) * 2}${relative[2]}`, to: range.from };
  return { from: new Date(range.start - range.span).toISOString(), to: new Date(range.start).toISOString() };
}

/** How finely a chart cuts a span: at most about 180 points. */
export function intervalOf(range) {
  if (range.span <= 3 * UNITS.h) return "minute";
  if (range.span <= 7.5 * UNITS.d) return "hour";
  return range.span <= 200 * UNITS.d ? "day" : "month";
}

/** Every start of an interval that a span touches, in Unix milliseconds (UTC, as the API cuts). */
export function starts(start, end, interval) {
  const found = [];
  for (let at = floor(start, interval); at < end && found.length < 2_000; at = next(at, interval)) found.push(at);
  return found;
}

export function next(at, interval) {
  if (interval === "month") {
    const day = new Date(at);
    return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1);
  }
  return at + { minute: UNITS.m, hour: UNITS.h, day: UNITS.d }[interval];
}

function floor(at, interval) {
  const day = new Date(at);
  if (interval === "month") return Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), 1);
  const size = { minute: UNITS.m, hour: UNITS.h, day: UNITS.d }[interval];
  return Math.floor(at / size) * size;
}

const presetOf = (range) => PRESETS.find((each) => each.from === range.from && range.to === "now");

/** A span in the midst of a sentence: "spend of the last 7 days", "spend of 28 Aug, 13:15 to now". */
export const rangeInText = (range) => (presetOf(range) ? `the ${rangeName(range).toLowerCase()}` : rangeName(range));

/** A span in words. */
export function rangeName(range) {
  const preset = presetOf(range);
  if (preset) return preset.name;
  const clock = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return `${clock.format(range.start)} to ${range.to === "now" ? "now" : clock.format(range.end)}`;
}
