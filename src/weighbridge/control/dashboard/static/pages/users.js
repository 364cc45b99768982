// Users: who may sign in or hold keys, in which role, and what each spends.

import { change, drop, get, idempotencyKey, list, post } from "../core/api.js";
import { requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { date, percent, plural, ratio } from "../core/format.js";
import { rangeInText, rangeOf } from "../core/range.js";
import { sums } from "../core/usage.js";
import { badge, button, card, countOf, moneyOf, pageHead } from "../parts/bits.js";
import { budgetBars } from "../parts/budget_bars.js";
import { confirmDialog, formDialog } from "../parts/dialogs.js";
import { rangePicker } from "../parts/range_picker.js";
import { optional } from "../parts/states.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

const ROLES = ["owner", "admin", "member", "viewer", "billing", "none"];

const FOLLOWS = [
  ["hand", "this page"],
  ["groups", "the provider's groups, at the next sign-in"],
];

export async function show(view) {
  const range = rangeOf(view.query);
  const options = { signal: view.signal };
  const [users, teams, organisations, budgets, used] = await Promise.all([
    list("/users", {}, options),
    optional(list("/teams", {}, options), []),
    optional(list("/organisations", {}, options), []),
    optional(get("/budgets", {}, options), { data: [] }),
    sums(range, {}, { group_by: "user" }, options),
  ]);
  const places = [
    ["", "everywhere"],
    ...organisations.map((each) => [`organisation:${each.name}`, `organisation ${each.name}`]),
    ...teams.map((each) => [`team:${each.name}`, `team ${each.name}`]),
  ];
  const bounded = budgets.data.filter((each) => each.scope.kind === "user");
  return h(
    "div",
    null,
    pageHead(
      "Users",
      `${plural(users.length, "user")}; spend of ${rangeInText(range)}`,
      rangePicker(view),
      button("New user", () => edit(view, null, places), { kind: "primary", id: "new-user", changes: "manage_people" }),
    ),
    h(
      "div",
      { class: "stack" },
      card("Users", usersTable(view, users, used.data, places), { flush: true }),
      bounded.length > 0 && card("Their budgets", h("div", { class: "in-columns" }, budgetBars(bounded))),
    ),
  );
}

function usersTable(view, users, used, places) {
  const byName = new Map(used.map((row) => [row.group.user, row]));
  // Keys name their user as operators wrote it: by e-mail, name or id.
  const rows = users.map((each) => ({
    ...each,
    used: byName.get(each.email) ?? byName.get(each.name) ?? byName.get(each.id) ?? null,
  }));
  const columns = [
    {
      title: "Name",
      head: true,
      cut: 26,
      cell: (each) =>
        h("a", { href: requestsLink(view.query, { user: each.used?.group.user ?? each.email ?? each.name }) }, each.name),
      sort: (each) => each.name,
    },
    { title: "E-mail", cut: 30, cell: (each) => each.email ?? "–", sort: (each) => each.email ?? "" },
    {
      title: "Role",
      cell: (each) =>
        h(
          "span",
          { class: "row tight" },
          badge(each.role ?? "–", each.role === "admin" || each.role === "owner" ? "info" : ""),
          each.role_by_groups && h("span", { class: "faint", title: "The role follows the provider's groups." }, "by groups"),
        ),
      sort: (each) => ROLES.indexOf(each.role),
    },
    { title: "Where", cut: 20, cell: (each) => each.team || each.organisation || "everywhere", sort: (each) => each.team ?? "" },
    {
      title: "State",
      cell: (each) => badge(each.is_blocked ? "blocked" : "active", each.is_blocked ? "warn" : "good", { dot: true }),
    },
    { title: "Since", cell: (each) => date(each.created_at), sort: (each) => each.created_at },
    { title: "Requests", num: true, cell: (each) => countOf(each.used?.requests ?? 0), sort: (each) => each.used?.requests ?? 0 },
    {
      title: "Failed",
      num: true,
      cell: (each) => percent(ratio(each.used?.errors, each.used?.requests)),
      sort: (each) => ratio(each.used?.errors, each.used?.requests),
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
          button("Change", () => edit(view, each, places), { kind: "small", changes: "manage_people", label: `Change ${each.name}` }),
          button(each.is_blocked ? "Unblock" : "Block", () => block(view, each), {
            kind: "small",
            changes: "manage_people",
            label: `${each.is_blocked ? "Unblock" : "Block"} ${each.name}`,
          }),
          button("Delete", () => gone(view, each), { kind: "small danger", changes: "manage_people", label: `Delete ${each.name}` }),
        ),
    },
  ];
  return table({
    label: "Users",
    id: "users",
    columns,
    rows,
    sorted: [8, "descending"],
    none: "No user yet",
    noneText: "Users sign in here, or hold keys.",
  });
}

async function edit(view, user, places) {
  const fields = [
    { name: "name", label: "Name", required: true, maxlength: 100, value: user?.name ?? "" },
    ...(user ? [] : [{ name: "email", label: "E-mail", type: "email", hint: "Empty: a service account, which holds keys." }]),
    { name: "role", label: "Role", type: "select", options: ROLES.map((role) => [role, role]), value: user?.role ?? "member" },
    { name: "place", label: "Where the role counts", type: "select", options: places, value: placeOf(user) },
    ...(user?.issuer
      ? [{ name: "follows", label: "Who gives the role", type: "select", options: FOLLOWS, value: user.role_by_groups ? "groups" : "hand" }]
      : []),
    {
      name: "password",
      label: user ? "New password" : "Password",
      type: "password",
      autocomplete: "new-password",
      hint: user ? "Empty: as it is." : "Empty: this user holds keys and does not sign in.",
    },
  ];
  const submit = ({ password, email, place, follows, ...told }) => {
    const [kind, name] = place.split(/:(.*)/s);
    const byGroups = follows === "groups";
    const body = {
      ...told,
      ...(email ? { email } : {}),
      ...(password ? { password } : {}),
      ...(follows === undefined || byGroups === user.role_by_groups ? {} : { role_by_groups: byGroups }),
      ...(place === placeOf(user) ? {} : { organisation: "", team: "", ...(kind ? { [kind]: name } : {}) }),
    };
    return user ? change(`/users/${user.id}`, body) : post("/users", body, idempotencyKey());
  };
  const done = await formDialog(user ? `Change ${user.name}` : "New user", { fields, submit });
  if (done) {
    toast(`${done.name} was saved.`);
    view.refresh();
  }
}

const placeOf = (user) => (user?.team ? `team:${user.team}` : user?.organisation ? `organisation:${user.organisation}` : "");

async function block(view, user) {
  const word = user.is_blocked ? "Unblock" : "Block";
  const text = user.is_blocked ? "Signing in and keys work again." : "Signing in and keys are refused, and open sessions end.";
  const done = await confirmDialog(`${word} ${user.name}?`, text, {
    action: word,
    kind: user.is_blocked ? "primary" : "danger",
    act: () => change(`/users/${user.id}`, { is_blocked: !user.is_blocked }),
  });
  if (done) view.refresh();
}

async function gone(view, user) {
  const done = await confirmDialog(`Delete ${user.name}?`, "What was booked under this name stays in the ledger.", {
    action: "Delete",
    act: () => drop(`/users/${user.id}`),
  });
  if (done) {
    toast(`${user.name} was deleted.`);
    view.refresh();
  }
}
