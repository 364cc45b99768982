// What customers have paid in advance: what is left, top-ups and grants, and how an account is treated.

import { change, get, idempotencyKey, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { date, dateTime, exactMoney, money, NONE, parseMoney } from "../core/format.js";
import { offers } from "../core/offers.js";
import { badge, button, card } from "./bits.js";
import { scopeName } from "./budget_bars.js";
import { formDialog, lookDialog } from "./dialogs.js";
import { table } from "./table.js";
import { toast } from "./toasts.js";

const PAYERS = ["organisation", "team", "user", "key"].map((kind) => [kind, kind]);
const exact = (nano) => h("span", { title: exactMoney(nano) }, money(nano));

/** The card with every account, and what can be done to each. */
export function creditsCard(view, accounts) {
  const give = offers("POST", "/credits") && button("Give credits", () => giveCredits(view), { id: "give-credits", changes: "manage_allowances" });
  const columns = [
    { title: "Paid by", head: true, cut: 30, cell: (each) => scopeName(each.payer), sort: (each) => scopeName(each.payer) },
    { title: "Left", num: true, cell: left, sort: (each) => each.balance_nanousd },
    { title: "Charged", num: true, cell: (each) => exact(each.charged_nanousd), sort: (each) => each.charged_nanousd },
    { title: "Given", num: true, cell: (each) => exact(each.given_nanousd), sort: (each) => each.given_nanousd },
    { title: "Ran out", num: true, cell: (each) => exact(each.expired_nanousd), sort: (each) => each.expired_nanousd },
    { title: "Next expiry", cell: (each) => date(each.next_expiry), sort: (each) => each.next_expiry ?? "" },
    { title: "Requests", cell: (each) => (each.is_prepaid ? "must be covered" : "need not be covered") },
    { title: "", cell: (each) => doings(view, each) },
  ];
  const none = "Nobody has paid in advance";
  return card("Credits", table({ label: "Credits", id: "credits", columns, rows: accounts, none }), { flush: true, tools: give ? [give] : [] });
}

function left(each) {
  const isLow = each.balance_nanousd < each.alert_below_nanousd || each.balance_nanousd <= 0n;
  return h("span", null, isLow && badge("low", "warn"), " ", exact(each.balance_nanousd));
}

function doings(view, each) {
  const name = scopeName(each.payer);
  return h(
    "span",
    { class: "row tight" },
    button("Give", () => giveCredits(view, each), { kind: "small", changes: "manage_allowances", label: `Give credits to ${name}` }),
    button("Change", () => changeAccount(view, each), { kind: "small", changes: "manage_allowances", label: `Change the credits of ${name}` }),
    button("History", () => showHistory(each), { kind: "small", label: `What was given to ${name}` }),
  );
}

function amountIn(text, least) {
  const amount = parseMoney(text);
  if (amount === null || amount < least) throw new Error("The amount is no sum in dollars, such as 12.50.");
  return amount;
}

async function giveCredits(view, account = null) {
  const fields = [
    ...(account
      ? []
      : [
          { name: "payer_kind", label: "Paid by", type: "select", options: PAYERS, value: "team" },
          { name: "payer_name", label: "Which", required: true, hint: "A name; of a key its id." },
        ]),
    { name: "amount", label: "Amount", required: true, hint: "Dollars, such as 50." },
    {
      name: "kind",
      label: "How",
      type: "select",
      options: [
        ["top_up", "it was paid for"],
        ["grant", "it is given away"],
      ],
      value: "top_up",
    },
    { name: "expires", label: "Ends", hint: "90d, or 2027-01-01; nothing: never." },
    { name: "note", label: "Note", hint: "The number of an invoice, say." },
  ];
  const once = idempotencyKey();
  const submit = (values) => {
    const payer = account ? account.payer : { kind: values.payer_kind, name: values.payer_name };
    const body = { payer, kind: values.kind, amount_nanousd: amountIn(values.amount, 1n), note: values.note };
    return post("/credits", values.expires ? { ...body, expires: values.expires } : body, once);
  };
  const lead = "From the first credit on, requests are refused that the credits do not cover.";
  const title = account ? `Give credits to ${scopeName(account.payer)}` : "Give credits";
  const done = await formDialog(title, { fields, submit, action: "Give", lead });
  if (done) {
    toast(`${scopeName(done.payer)} has ${money(done.balance_nanousd)} now.`);
    view.refresh();
  }
}

async function changeAccount(view, account) {
  const fields = [
    {
      name: "is_prepaid",
      label: "Requests must be covered",
      type: "checkbox",
      value: account.is_prepaid,
      hint: "Otherwise the customer may go below zero.",
    },
    {
      name: "alert_below",
      label: "Tell operators below",
      value: account.alert_below_nanousd ? (Number(account.alert_below_nanousd) / 1e9).toString() : "0",
      hint: "Dollars; 0: never.",
    },
  ];
  const submit = (values) =>
    change(`/credits/${account.id}`, {
      is_prepaid: values.is_prepaid,
      alert_below_nanousd: amountIn(values.alert_below, 0n),
    });
  if (await formDialog(`Change the credits of ${scopeName(account.payer)}`, { fields, submit })) view.refresh();
}

async function showHistory(account) {
  const found = await get(`/credits/${account.id}/given`, { limit: 100 });
  const columns = [
    { title: "At", cell: (each) => dateTime(each.created_at) },
    { title: "How", cell: (each) => (each.kind === "top_up" ? "paid for" : "given away") },
    { title: "Amount", num: true, cell: (each) => exact(each.amount_nanousd) },
    { title: "Ends", cell: (each) => date(each.expires_at) },
    { title: "Ran out", num: true, cell: (each) => (each.expired_at ? exact(each.expired_nanousd) : NONE) },
    { title: "Note", cut: 30, cell: (each) => each.note },
    { title: "By", cut: 24, cell: (each) => each.actor },
  ];
  const rows = table({ label: "Top-ups and grants", id: "given", columns, rows: found.data, none: "Nothing was given" });
  await lookDialog(`What was given to ${scopeName(account.payer)}`, rows);
}
