// Tables as CSV files, made here: nothing is sent anywhere.

import { h } from "../core/dom.js";

/** Have the browser save rows (lists of cells) under a name. */
export function saveCsv(name, head, rows) {
  const text = [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
  const url = URL.createObjectURL(new Blob(["\ufeff", text, "\r\n"], { type: "text/csv;charset=utf-8" }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** RFC 4180; and a cell that a spreadsheet would compute (a key named `=cmd()`) is marked as text. */
export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Nano-dollars as dollars to the last digit, for a spreadsheet. */
export function csvDollars(nano) {
  if (nano === null || nano === undefined) return "";
  const size = nano < 0n ? -nano : nano;
  return `${nano < 0n ? "-" : ""}${size / 1_000_000_000n}.${(size % 1_000_000_000n).toString().padStart(9, "0")}`;
}
