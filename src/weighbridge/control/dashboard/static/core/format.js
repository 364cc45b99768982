// Figures for people. Each keeps what it cannot show in the element's title, see `exact…`.

const NANO = 1_000_000_000n;
const GROUPS = new Intl.NumberFormat("en-US");
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const PLAIN = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
export const NONE = "–";

/** Nano-dollars (BigInt) as dollars, to the cent from one dollar on and to three digits below. Null: nobody knows. */
export function money(nano) {
  if (nano === null || nano === undefined) return "unknown";
  const amount = BigInt(nano);
  const size = amount < 0n ? -amount : amount;
  if (size === 0n) return "$0.00";
  return (amount < 0n ? "−$" : "$") + decimal(size, placesFor(size));
}

/** The same to the last nano-dollar. */
export function exactMoney(nano) {
  if (nano === null || nano === undefined) return "Nobody knows what this cost";
  const amount = BigInt(nano);
  return (amount < 0n ? "−$" : "$") + decimal(amount < 0n ? -amount : amount, 9);
}

function placesFor(size) {
  if (size >= NANO) return 2;
  // The digits from the first that is not zero, three of them; $0.009999999 is $0.0100, which begins one digit earlier.
  const places = Math.min(9, Math.max(2, 12 - size.toString().length));
  const unit = 10n ** BigInt(9 - places);
  return (size + unit / 2n) / unit >= 1_000n ? Math.max(2, places - 1) : places;
}

function decimal(size, places) {
  const unit = 10n ** BigInt(9 - places);
  const rounded = (size + unit / 2n) / unit;
  const scale = 10n ** BigInt(places);
  const part = (rounded % scale).toString().padStart(places, "0");
  return `${GROUPS.format(rounded / scale)}${places ? `.${part}` : ""}`;
}

/** Dollars as text (`12.5`) in nano-dollars; null if it is no amount. */
export function parseMoney(text) {
  const found = /^\s*\$?\s*(\d[\d,]*)?(?:\.(\d{1,9}))?\s*$/.exec(text);
  if (!found || (found[1] === undefined && found[2] === undefined)) return null;
  return BigInt((found[1] ?? "0").replaceAll(",", "")) * NANO + BigInt((found[2] ?? "").padEnd(9, "0"));
}

/** Nano-dollars as a Number of dollars, for the height of a bar. */
export const dollars = (nano) => Number(nano ?? 0n) / 1e9;

/** Dollars (a Number) in a chart; on an axis in few characters. */
export function chartMoney(value, where) {
  const text = where === "axis" && value >= 1_000 ? `$${count(value)}` : money(BigInt(Math.round(value * 1e9)));
  return where === "axis" ? text.replace(/(\.\d\d)(\d*?)0+$/, "$1$2") : text;
}

/** A count in few characters: `12.3M`. */
export function count(value) {
  if (value === null || value === undefined) return NONE;
  return Number(value) < 10_000 ? GROUPS.format(value) : COMPACT.format(value);
}

/** A count to the last digit. */
export const exactCount = (value) => (value === null || value === undefined ? "unknown" : GROUPS.format(value));

/** Milliseconds as a duration. */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1) return ms === 0 ? "0 ms" : `${PLAIN.format(ms * 1_000)} µs`;
  if (ms < 1_000) return `${PLAIN.format(ms)} ms`;
  if (ms < 100_000) return `${PLAIN.format(ms / 1_000)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 2_880) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
  return `${Math.floor(minutes / 1_440)} d ${Math.floor((minutes % 1_440) / 60)} h`;
}

/** A share (0 to 1) as a percentage. */
export function percent(share, places = null) {
  if (share === null || share === undefined || Number.isNaN(share)) return NONE;
  const value = share * 100;
  const digits = places ?? (value !== 0 && Math.abs(value) < 10 ? 2 : 1);
  return `${value.toFixed(digits)}%`;
}

/** Part of a whole, both Number or BigInt; null where the whole is nothing. */
export function ratio(part, whole) {
  const total = Number(whole ?? 0);
  return total === 0 ? null : Number(part ?? 0) / total;
}

export function bytes(size) {
  if (size === null || size === undefined) return NONE;
  if (size < 1_000) return `${size} B`;
  return size < 1_000_000 ? `${PLAIN.format(size / 1_000)} kB` : `${PLAIN.format(size / 1_000_000)} MB`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_CLOCK = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const DATE_CLOCK = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

/** A moment (RFC 3339 or Date) in the reader's zone: the time alone if it was today. */
export function moment(at) {
  if (!at) return NONE;
  const when = new Date(at);
  return when.toDateString() === new Date().toDateString() ? CLOCK.format(when) : DAY_CLOCK.format(when);
}

export const date = (at) => (at ? DATE.format(new Date(at)) : NONE);
export const dateTime = (at) => (at ? DATE_CLOCK.format(new Date(at)) : NONE);
export const exactMoment = (at) => (at ? new Date(at).toISOString() : "");

/** How far away a moment is: `in 3 h 20 m`, `5 m 00 s ago`. */
export function distance(at) {
  const ms = new Date(at) - Date.now();
  return ms >= 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
}

/** `one key`, `3 keys`. */
export const plural = (n, one, many = `${one}s`) => `${exactCount(n)} ${n === 1 ? one : many}`;
