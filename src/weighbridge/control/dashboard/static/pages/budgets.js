// Budgets as bars, and rate limits; those that were made here can be changed here.

import { change, drop, get, idempotencyKey, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { offers } from "../core/offers.js";
import { count, duration, money, parseMoney, plural } from "../core/format.js";
import { badge, button, card, pageHead } from "../parts/bits.js";
import { amountOf, budgetBars, exactAmountOf, scopeName, shareOf } from "../parts/budget_bars.js";
import { creditsCard } from "../parts/credits.js";
import { confirmDialog, formDialog } from "../parts/dialogs.js";
import { optional } from "../parts/states.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

const SCOPES = ["gateway", "organisation", "team", "user", "key", "end_user", "tag", "route", "model", "provider", "provider_key"];
const PERIODS = ["hour", "day", "week", "month", "total"];
const MEASURES = ["requests", "tokens", "input_tokens", "output_tokens", "usd", "concurrent"];
const SPANS = [
  ["1000000000", "a second"],
  ["60000000000", "a minute"],
  ["3600000000000", "an hour"],
  ["86400000000000", "a day"],
];
const words = (names) => names.map((name) => [name, name.replaceAll("_", " ")]);

export async function show(view) {
  const options = { signal: view.signal };
  const [budgets, limits, credits] = await Promise.all([
    optional(get("/budgets", {}, options), { data: [] }),
    optional(get("/limits", {}, options), { data: [] }),
    optional(get("/credits", {}, options), { data: [] }),
  ]);
  const short = budgets.data
    .flatMap((budget) => budget.accounts.map((account) => shareOf(budget, account)))
    .filter((share) => share >= 0.8).length;
  return h(
    "div",
    null,
    pageHead(
      "Budgets, credits and limits",
      short > 0 ? `${plural(short, "account has", "accounts have")} used 80% or more` : "No account has used 80%",
      offers("POST", "/limits") && button("New limit", () => editLimit(view, null), { id: "new-limit", changes: "manage_allowances" }),
      offers("POST", "/budgets") && button("New budget", () => editBudget(view, null), { kind: "primary", id: "new-budget", changes: "manage_allowances" }),
    ),
    h(
      "div",
      { class: "grid" },
      card("The fullest first", h("div", { class: "in-columns" }, budgetBars(budgets.data))),
      card("Budgets", budgetsTable(view, budgets.data), { flush: true }),
      creditsCard(view, credits.data),
      card("Rate limits", limitsTable(view, limits.data), { flush: true }),
    ),
  );
}

const ownBadge = (each) => badge(each.source === "store" ? "made here" : "configuration", each.source === "store" ? "info" : "");

function changers(view, each, edit, path, name) {
  if (each.source !== "store") return null;
  const gone = () =>
    confirmDialog(`Delete ${name}?`, "What was spent stays in the ledger.", {
      action: "Delete",
      act: () => drop(`${path}/${each.id}`),
    });
  return h(
    "span",
    { class: "row tight" },
    button("Change", () => edit(view, each), { kind: "small", changes: "manage_allowances", label: `Change ${name}` }),
    button("Delete", async () => (await gone()) && view.refresh(), {
      kind: "small danger",
      changes: "manage_allowances",
      label: `Delete ${name}`,
    }),
  );
}

function budgetsTable(view, budgets) {
  const columns = [
    { title: "For", head: true, cut: 30, cell: (each) => scopeName(each.scope), sort: (each) => scopeName(each.scope) },
    {
      title: "Amount",
      num: true,
      cell: (each) => h("span", { title: exactAmountOf(each.unit, each.amount) }, amountOf(each.unit, each.amount)),
      sort: (each) => each.amount,
    },
    { title: "Period", cell: (each) => each.period, sort: (each) => PERIODS.indexOf(each.period) },
    {
      title: "When short",
      cell: (each) => (each.is_hard ? (each.on_shortage === "lower" ? "answers get shorter" : "refuses") : "only tells"),
    },
    { title: "From", cell: ownBadge, sort: (each) => each.source },
    { title: "", cell: (each) => changers(view, each, editBudget, "/budgets", `the budget of ${scopeName(each.scope)}`) },
  ];
  return table({ label: "Budgets", id: "budgets", columns, rows: budgets, none: "No budget yet" });
}

function limitsTable(view, limits) {
  const amount = (each) =>
    each.measure === "usd" ? money(each.amount) : `${count(each.amount)} ${each.measure.replaceAll("_", " ")}`;
  const columns = [
    { title: "For", head: true, cut: 30, cell: (each) => scopeName(each.scope), sort: (each) => scopeName(each.scope) },
    { title: "At most", num: true, cell: amount, sort: (each) => each.amount },
    { title: "In", cell: (each) => (each.measure === "concurrent" ? "at a time" : duration(Number(each.per_ns) / 1e6)) },
    { title: "At once", num: true, cell: (each) => (each.burst === null || each.burst === undefined ? "–" : count(each.burst)) },
    { title: "From", cell: ownBadge, sort: (each) => each.source },
    { title: "", cell: (each) => changers(view, each, editLimit, "/limits", `the limit of ${scopeName(each.scope)}`) },
  ];
  return table({ label: "Rate limits", id: "limits", columns, rows: limits, none: "No rate limit yet" });
}

function scopeFields(each) {
  return [
    { name: "kind", label: "For", type: "select", options: words(SCOPES), value: each?.scope.kind ?? "team" },
    {
      name: "scope_name",
      label: "Which",
      value: each?.scope.name ?? "",
      hint: "A name; * for each by itself; nothing for the whole gateway.",
    },
  ];
}

const scopeOf = (values) => ({ kind: values.kind, name: values.kind === "gateway" ? "" : values.scope_name });

function amountIn(text, isMoney) {
  const amount = isMoney ? parseMoney(text) : /^\d[\d,_ ]*$/.test(text) ? BigInt(text.replace(/[,_ ]/g, "")) : null;
  if (amount === null || amount <= 0n)
    throw new Error(isMoney ? "The amount is no sum in dollars, such as 12.50." : "The amount is no whole number.");
  return amount;
}

const plain = (value, isMoney) => (isMoney ? (Number(value) / 1e9).toString() : value.toString());

async function editBudget(view, budget) {
  const fields = [
    ...(budget ? [] : scopeFields(null)),
    {
      name: "amount",
      label: "Amount",
      required: true,
      value: budget ? plain(budget.amount, budget.unit === "usd") : "",
      hint: "Dollars (12.50), or tokens.",
    },
    ...(budget
      ? []
      : [
          {
            name: "unit",
            label: "Counts",
            type: "select",
            options: [
              ["usd", "dollars"],
              ["tokens", "tokens"],
            ],
            value: "usd",
          },
        ]),
    ...(budget ? [] : [{ name: "period", label: "Period", type: "select", options: words(PERIODS), value: "month" }]),
    {
      name: "is_hard",
      label: "Never overspent",
      type: "checkbox",
      value: budget?.is_hard ?? true,
      hint: "Otherwise it only tells.",
    },
    {
      name: "on_shortage",
      label: "When too little is left for a request",
      type: "select",
      options: [
        ["lower", "its answer is bounded to what fits"],
        ["refuse", "it is refused"],
      ],
      value: budget?.on_shortage ?? "lower",
    },
  ];
  const submit = (values) => {
    const unit = budget?.unit ?? values.unit;
    const body = { amount: amountIn(values.amount, unit === "usd"), is_hard: values.is_hard, on_shortage: values.on_shortage };
    return budget
      ? change(`/budgets/${budget.id}`, body)
      : post("/budgets", { ...body, scope: scopeOf(values), unit, period: values.period }, idempotencyKey());
  };
  const done = await formDialog(budget ? `Change the budget of ${scopeName(budget.scope)}` : "New budget", { fields, submit });
  if (done) {
    toast("The budget holds from now on.");
    view.refresh();
  }
}

async function editLimit(view, limit) {
  const fields = [
    ...(limit ? [] : scopeFields(null)),
    ...(limit ? [] : [{ name: "measure", label: "Counts", type: "select", options: words(MEASURES), value: "requests" }]),
    {
      name: "amount",
      label: "At most",
      required: true,
      value: limit ? plain(limit.amount, limit.measure === "usd") : "",
      hint: "Dollars where dollars are counted.",
    },
    ...(limit?.measure === "concurrent"
      ? []
      : [{ name: "per_ns", label: "In", type: "select", options: SPANS, value: String(limit?.per_ns ?? SPANS[1][0]) }]),
  ];
  const submit = (values) => {
    const measure = limit?.measure ?? values.measure;
    const body = {
      amount: amountIn(values.amount, measure === "usd"),
      ...(measure === "concurrent" ? {} : { per_ns: Number(values.per_ns) }),
    };
    return limit
      ? change(`/limits/${limit.id}`, body)
      : post("/limits", { ...body, scope: scopeOf(values), measure }, idempotencyKey());
  };
  const done = await formDialog(limit ? `Change the limit of ${scopeName(limit.scope)}` : "New limit", { fields, submit });
  if (done) {
    toast("The limit holds from now on.");
    view.refresh();
  }
}
