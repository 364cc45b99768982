// Budgets as bars: spent, held for what is under way, left.

import { isDimension, requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { count, dateTime, exactCount, exactMoney, money, percent, ratio } from "../core/format.js";
import { bar } from "./bits.js";
import { empty } from "./states.js";

/** One line for each account of each budget, the fullest first; `most` bounds them. */
export function budgetBars(budgets, { most = 50, subject = null } = {}) {
  const lines = budgets
    .flatMap((budget) => budget.accounts.map((account) => ({ budget, account, share: shareOf(budget, account) })))
    .filter(({ account }) => subject === null || account.subject === subject)
    .sort((one, other) => other.share - one.share);
  if (lines.length === 0) return empty("No budget yet", "A budget bounds what a key, a team or the whole gateway may spend.");
  return h("div", { class: "bar-list" }, lines.slice(0, most).map(budgetBar));
}

export const shareOf = (budget, account) => ratio(account.spent + account.held, budget.amount) ?? 0;

export const amountOf = (unit, value) => (unit === "usd" ? money(value) : `${count(value)} tokens`);
export const exactAmountOf = (unit, value) => (unit === "usd" ? exactMoney(value) : `${exactCount(value)} tokens`);

export function scopeName(scope) {
  if (scope.kind === "gateway") return "Whole gateway";
  const kind = scope.kind.replace("_", " ");
  return scope.name === "*" ? `Each ${kind}` : `${kind[0].toUpperCase()}${kind.slice(1)} ${scope.name}`;
}

/** The requests of an account's period, where requests can be filtered by what it is for. */
function behind({ scope }, account) {
  if (scope.kind !== "gateway" && !isDimension(scope.kind)) return null;
  const subject = scope.kind === "gateway" ? {} : { [scope.kind]: account.subject || scope.name };
  return requestsLink(new URLSearchParams(), { from: new Date(account.period_start).toISOString(), ...subject });
}

function budgetBar({ budget, account, share }) {
  const kind = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  const isEach = budget.scope.name === "*" || budget.scope.kind === "gateway";
  const name =
    isEach && budget.scope.kind !== "gateway"
      ? `${scopeName({ ...budget.scope, name: account.subject })}`
      : scopeName(budget.scope);
  const spent = ratio(account.spent, budget.amount) ?? 0;
  const link = behind(budget, account);
  const until = account.resets_at ? `begins anew ${dateTime(account.resets_at)}` : "never begins anew";
  return bar({
    name: h(
      "span",
      null,
      link ? h("a", { class: "plain-link", href: link }, name) : name,
      h(
        "span",
        { class: "faint" },
        ` · ${budget.period === "total" ? "in total" : `a ${budget.period}`}${budget.is_hard ? "" : ", soft"}`,
      ),
    ),
    value: h(
      "span",
      { title: `${exactAmountOf(budget.unit, account.spent)} of ${exactAmountOf(budget.unit, budget.amount)}` },
      `${amountOf(budget.unit, account.spent)} of ${amountOf(budget.unit, budget.amount)}`,
    ),
    parts: [{ share: spent }, { share: ratio(account.held, budget.amount) ?? 0, type: "held" }],
    label: `${name}: ${percent(share)} used`,
    foot: [
      h(
        "span",
        null,
        `${amountOf(budget.unit, account.left)} left${account.held > 0n ? `, ${amountOf(budget.unit, account.held)} held` : ""}`,
      ),
      h("span", null, until),
    ],
    kind,
  });
}
