// The ledger: what is booked on each account, and whether the books are sound.

import { get } from "../core/api.js";
import { fill, h } from "../core/dom.js";
import { exactCount, plural } from "../core/format.js";
import { badge, button, card, countOf, moneyOf, pageHead } from "../parts/bits.js";
import { csvDollars, saveCsv } from "../parts/csv.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

export async function show(view) {
  const prefix = view.query.get("prefix") ?? "";
  const { data } = await get("/ledger/accounts", { prefix }, { signal: view.signal });
  const verdict = h("div", { "aria-live": "polite", id: "verdict" });
  const search = h("input", {
    class: "input narrow",
    id: "account-prefix",
    type: "search",
    value: prefix,
    placeholder: "key:",
    "aria-label": "Accounts that begin with",
  });
  search.addEventListener("change", () => view.change({ prefix: search.value.trim() }));
  return h(
    "div",
    null,
    pageHead(
      "Ledger",
      `${plural(data.length, "account")}; each entry is booked twice, so that all balances together are nothing`,
      search,
      button("Export CSV", () => exported(data), { id: "export" }),
      button("Verify", (event) => verify(view, verdict, event.currentTarget), { kind: "primary", id: "verify" }),
    ),
    h("div", { class: "stack" }, verdict, card("Accounts", accounts(data), { flush: true })),
  );
}

function accounts(rows) {
  const columns = [
    { title: "Account", head: true, cut: 50, cell: (each) => each.account, sort: (each) => each.account },
    { title: "Debits", num: true, cell: (each) => moneyOf(each.debits_nanousd), sort: (each) => each.debits_nanousd },
    { title: "Credits", num: true, cell: (each) => moneyOf(each.credits_nanousd), sort: (each) => each.credits_nanousd },
    { title: "Balance", num: true, cell: (each) => moneyOf(each.balance_nanousd), sort: (each) => each.balance_nanousd },
    { title: "Entries", num: true, cell: (each) => countOf(each.entries), sort: (each) => each.entries },
  ];
  return table({ label: "Accounts", id: "accounts", columns, rows, sorted: [0, "ascending"], none: "No such account" });
}

async function verify(view, verdict, asked) {
  asked.disabled = true;
  try {
    const found = await get("/ledger/verify", {}, { signal: view.signal });
    const text = found.is_sound
      ? `Sound: ${exactCount(found.n_entries)} entries were read, and all of them add up.`
      : `Not sound: ${plural(found.problems.length, "problem")} in ${exactCount(found.n_entries)} entries.`;
    fill(
      verdict,
      h(
        "div",
        { class: `notice ${found.is_sound ? "good" : "bad"}` },
        badge(found.is_sound ? "sound" : "not sound", found.is_sound ? "good" : "bad"),
        ` ${text}`,
        h(
          "ul",
          null,
          found.problems.map((problem) => h("li", null, typeof problem === "string" ? problem : JSON.stringify(problem))),
        ),
      ),
    );
  } catch (error) {
    toast(error.message, "bad");
  } finally {
    asked.disabled = false;
  }
}

function exported(rows) {
  saveCsv(
    "ledger-accounts.csv",
    ["account", "debits_usd", "credits_usd", "balance_usd", "entries"],
    rows.map((each) => [
      each.account,
      csvDollars(each.debits_nanousd),
      csvDollars(each.credits_nanousd),
      csvDollars(each.balance_nanousd),
      each.entries,
    ]),
  );
}
