// Organisations and their teams, with what each spends and how its budgets stand.

import { change, drop, get, idempotencyKey, list, post } from "../core/api.js";
import { requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { percent, plural, ratio } from "../core/format.js";
import { rangeInText, rangeOf } from "../core/range.js";
import { sums, tokensOf } from "../core/usage.js";
import { badge, button, card, countOf, moneyOf, pageHead } from "../parts/bits.js";
import { budgetBars } from "../parts/budget_bars.js";
import { confirmDialog, formDialog } from "../parts/dialogs.js";
import { rangePicker } from "../parts/range_picker.js";
import { optional } from "../parts/states.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

export async function show(view) {
  const range = rangeOf(view.query);
  const options = { signal: view.signal };
  const [organisations, teams, budgets, byTeam, byOrganisation] = await Promise.all([
    list("/organisations", {}, options),
    list("/teams", {}, options),
    optional(get("/budgets", {}, options), { data: [] }),
    sums(range, {}, { group_by: "team" }, options),
    sums(range, {}, { group_by: "organisation" }, options),
  ]);
  const bounded = budgets.data.filter((each) => each.scope.kind === "team" || each.scope.kind === "organisation");
  return h(
    "div",
    null,
    pageHead(
      "Teams",
      `${plural(teams.length, "team")} in ${plural(organisations.length, "organisation")}; spend of ${rangeInText(range)}`,
      rangePicker(view),
      button("New organisation", () => create(view, "organisation", []), { id: "new-organisation", changes: "manage_people" }),
      button("New team", () => create(view, "team", organisations), { kind: "primary", id: "new-team", changes: "manage_people" }),
    ),
    h(
      "div",
      { class: "grid" },
      card("Teams", things(view, "team", teams, byTeam.data), { flush: true }),
      card("Organisations", things(view, "organisation", organisations, byOrganisation.data), { span: 7, flush: true }),
      card("Their budgets", budgetBars(bounded), { span: 5, tools: [h("a", { href: "/dashboard/budgets" }, "All")] }),
    ),
  );
}

function things(view, kind, items, used) {
  const byName = new Map(used.map((row) => [row.group[kind], row]));
  const rows = items.map((each) => ({ ...each, used: byName.get(each.name) ?? null }));
  const columns = [
    {
      title: "Name",
      head: true,
      cut: 30,
      cell: (each) => h("a", { href: requestsLink(view.query, { [kind]: each.name }) }, each.name),
      sort: (each) => each.name,
    },
    kind === "team" && {
      title: "Organisation",
      cut: 20,
      cell: (each) => each.organisation || "–",
      sort: (each) => each.organisation ?? "",
    },
    {
      title: "State",
      cell: (each) => badge(each.is_blocked ? "blocked" : "active", each.is_blocked ? "warn" : "good", { dot: true }),
    },
    { title: "Requests", num: true, cell: (each) => countOf(each.used?.requests ?? 0), sort: (each) => each.used?.requests ?? 0 },
    {
      title: "Failed",
      num: true,
      cell: (each) => percent(ratio(each.used?.errors, each.used?.requests)),
      sort: (each) => ratio(each.used?.errors, each.used?.requests),
    },
    {
      title: "Tokens",
      num: true,
      cell: (each) => countOf(each.used ? tokensOf(each.used) : 0),
      sort: (each) => (each.used ? tokensOf(each.used) : 0),
    },
    {
      title: "Spend",
      num: true,
      cell: (each) => moneyOf(each.used?.cost_nanousd ?? 0n),
      sort: (each) => each.used?.cost_nanousd ?? 0n,
    },
    {
      title: "",
      cell: (each) =>
        h(
          "span",
          { class: "row tight" },
          button(each.is_blocked ? "Unblock" : "Block", () => block(view, kind, each), {
            kind: "small",
            changes: "manage_people",
            label: `${each.is_blocked ? "Unblock" : "Block"} ${each.name}`,
          }),
          button("Delete", () => gone(view, kind, each), { kind: "small danger", changes: "manage_people", label: `Delete ${each.name}` }),
        ),
    },
  ].filter(Boolean);
  const spend = columns.findIndex((each) => each.title === "Spend");
  return table({ label: `${kind}s`, id: `${kind}s`, columns, rows, sorted: [spend, "descending"], none: `No ${kind} yet` });
}

async function create(view, kind, organisations) {
  const fields = [
    { name: "name", label: "Name", required: true, maxlength: 64, hint: "For good: the ledger books under it." },
    ...(kind === "team" && organisations.length > 0
      ? [
          {
            name: "organisation",
            label: "Organisation",
            type: "select",
            options: [["", "none"], ...organisations.map((one) => [one.name, one.name])],
            value: organisations[0].name,
          },
        ]
      : []),
  ];
  const submit = (values) => post(`/${kind}s`, values, idempotencyKey());
  const done = await formDialog(`New ${kind}`, { fields, submit });
  if (done) view.refresh();
}

async function block(view, kind, each) {
  const word = each.is_blocked ? "Unblock" : "Block";
  const text = each.is_blocked ? "Its keys work again." : "All its keys are refused from now on, until it is unblocked.";
  const done = await confirmDialog(`${word} the ${kind} ${each.name}?`, text, {
    action: word,
    kind: each.is_blocked ? "primary" : "danger",
    act: () => change(`/${kind}s/${each.id}`, { is_blocked: !each.is_blocked }),
  });
  if (done) view.refresh();
}

async function gone(view, kind, each) {
  const done = await confirmDialog(`Delete the ${kind} ${each.name}?`, "What was booked under its name stays in the ledger.", {
    action: "Delete",
    act: () => drop(`/${kind}s/${each.id}`),
  });
  if (done) {
    toast(`${each.name} was deleted.`);
    view.refresh();
  }
}
