// Keys: make, change, rotate, block and revoke them, with what each spends.

import { change, drop, idempotencyKey, list, post } from "../core/api.js";
import { requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { offers, takes } from "../core/offers.js";
import { may, me } from "../core/rights.js";
import { date, dateTime, percent, plural, ratio } from "../core/format.js";
import { rangeInText, rangeOf } from "../core/range.js";
import { sums, tokensOf } from "../core/usage.js";
import { badge, button, card, countOf, moneyOf, pageHead } from "../parts/bits.js";
import { confirmDialog, formDialog, secretDialog } from "../parts/dialogs.js";
import { popover } from "../parts/popover.js";
import { rangePicker } from "../parts/range_picker.js";
import { optional } from "../parts/states.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

const STATES = { active: "good", expired: "warn", blocked: "warn", revoked: "bad" };

export async function show(view) {
  const range = rangeOf(view.query);
  const options = { signal: view.signal };
  const [keys, used, teams, users] = await Promise.all([
    list("/keys", {}, options),
    sums(range, {}, { group_by: "key" }, options),
    offers("GET", "/teams") ? optional(list("/teams", {}, options), []) : [],
    offers("GET", "/users") ? optional(list("/users", {}, options), []) : [],
  ]);
  const byKey = new Map(used.data.map((row) => [row.group.key, row]));
  const isAll = view.query.has("all");
  const rows = keys
    .filter((key) => isAll || key.state !== "revoked")
    .map((key) => ({ ...key, used: byKey.get(key.id) ?? byKey.get(key.name) ?? null }));
  const hidden = keys.length - rows.length;
  const owners = { teams, users };
  return h(
    "div",
    null,
    pageHead(
      "Keys",
      `${plural(rows.length, "key")}; spend of ${rangeInText(range)}`,
      rangePicker(view),
      (hidden > 0 || isAll) &&
        button(isAll ? "Hide revoked" : `Show ${hidden} revoked`, () => view.change({ all: isAll ? null : "1" }), {
          kind: "ghost",
          id: "show-revoked",
        }),
      may("manage_keys", "manage_own_keys") && button("New key", () => create(view, owners), { kind: "primary", id: "new-key" }),
    ),
    card("Virtual keys", keysTable(view, rows, owners), { flush: true }),
  );
}

/** Whether who is signed in may change it, as far as a page can tell. */
const isMine = (key) => may("manage_keys") || (may("manage_own_keys") && key.user === me().email);

const stateOf = (key) => (key.is_blocked ? "blocked" : key.state);

function keysTable(view, rows, owners) {
  const columns = [
    {
      title: "Name",
      head: true,
      cut: 30,
      cell: (key) => h("a", { href: requestsLink(view.query, { key: key.id }), title: key.name }, key.name),
      sort: (key) => key.name,
    },
    { title: "Ends in", cell: (key) => h("span", { class: "mono faint" }, `…${key.hint}`) },
    {
      title: "State",
      cell: (key) => [badge(stateOf(key), STATES[stateOf(key)], { dot: true }), key.is_admin && badge("admin", "info")],
      sort: stateOf,
    },
    { title: "Team", cut: 16, cell: (key) => key.team || "–", sort: (key) => key.team ?? "" },
    {
      title: "Models",
      cut: 20,
      cell: (key) => (key.models.length > 0 ? key.models.join(", ") : "all"),
      sort: (key) => key.models.length,
    },
    {
      title: "Expires",
      cell: (key) => (key.expires_at ? h("span", { title: dateTime(key.expires_at) }, date(key.expires_at)) : "never"),
      sort: (key) => key.expires_at ?? "9",
    },
    { title: "Requests", num: true, cell: (key) => countOf(key.used?.requests ?? 0), sort: (key) => key.used?.requests ?? 0 },
    {
      title: "Failed",
      num: true,
      cell: (key) => percent(ratio(key.used?.errors, key.used?.requests)),
      sort: (key) => ratio(key.used?.errors, key.used?.requests),
    },
    {
      title: "Tokens",
      num: true,
      cell: (key) => countOf(key.used ? tokensOf(key.used) : 0),
      sort: (key) => (key.used ? tokensOf(key.used) : 0),
    },
    {
      title: "Spend",
      num: true,
      cell: (key) => moneyOf(key.used?.cost_nanousd ?? 0n),
      sort: (key) => key.used?.cost_nanousd ?? 0n,
    },
    { title: "", cell: (key) => key.state !== "revoked" && isMine(key) && actions(view, key, owners) },
  ];
  return table({
    label: "Virtual keys",
    id: "keys",
    columns,
    rows,
    sorted: [9, "descending"],
    none: "No key yet",
    noneText: "Applications hold a virtual key in place of a provider's.",
  });
}

function actions(view, key, owners) {
  const act = (text, call, kind = "ghost") => button(text, call, { kind: `${kind} small` });
  return popover(
    "⋯",
    h(
      "div",
      { class: "stack menu" },
      offers("PATCH", "/keys/{key_id}") && act("Change", () => edit(view, key, owners)),
      offers("POST", "/keys/{key_id}/rotate") && act("Rotate", () => rotate(view, key)),
      offers("PATCH", "/keys/{key_id}") && act(key.is_blocked ? "Unblock" : "Block", () => block(view, key)),
      act("Revoke for good", () => revoke(view, key), "danger"),
    ),
    { kind: "ghost small", label: `Actions for key ${key.name}` },
  );
}

function fieldsOf(key, { teams, users }) {
  const nobody = [["", "none"]];
  const named = (items) => [...nobody, ...items.map((each) => [each.name, each.name])];
  const people = [
    ...nobody,
    ...users.map((each) => [each.email ?? each.name, each.email ? `${each.name} (${each.email})` : each.name]),
  ];
  return [
    { name: "name", label: "Name", required: true, maxlength: 64, value: key?.name ?? "" },
    {
      name: "models",
      label: "Models",
      type: "textarea",
      value: (key?.models ?? []).join("\n"),
      hint: "One name or pattern (openai/*) a line. Empty: all.",
    },
    teams.length > 0 && {
      name: "team",
      label: "Team",
      type: "select",
      options: withOwn(named(teams), key?.team),
      value: key?.team ?? "",
    },
    users.length > 0 && {
      name: "user",
      label: "User",
      type: "select",
      options: withOwn(people, key?.user),
      value: key?.user ?? "",
    },
    takes("CreateKey", "tags") && {
      name: "tags",
      label: "Tags",
      value: (key?.tags ?? []).join(", "),
      hint: "What its requests are booked under besides, parted by commas.",
    },
    takes("CreateKey", "max_output_tokens") && {
      name: "max_output_tokens",
      label: "Most output tokens of a request",
      value: key?.max_output_tokens ? String(key.max_output_tokens) : "",
      inputmode: "numeric",
      pattern: "[0-9]*",
      hint: "Empty: as many as are asked for.",
    },
    takes("CreateKey", "addresses") && {
      name: "addresses",
      label: "Networks",
      value: (key?.addresses ?? []).join(", "),
      hint: "From where it may be used (10.0.0.0/8), parted by commas. Empty: from anywhere.",
    },
  ].filter(Boolean);
}

/** The options, and the value that is set where it is none of them. */
function withOwn(options, value) {
  return !value || options.some(([key]) => key === value) ? options : [...options, [value, value]];
}

const lines = (text, by) =>
  text
    .split(by)
    .map((each) => each.trim())
    .filter(Boolean);

/** What a form says as the API takes it: only what is set, so that a gateway without teams is not asked for one. */
function bodyOf(values, before = null) {
  const body = { name: values.name, models: lines(values.models, /\n/) };
  for (const name of ["team", "user"])
    if (values[name] !== undefined && (values[name] || before?.[name])) body[name] = values[name];
  if (values.tags || before?.tags?.length) body.tags = lines(values.tags, ",");
  if (values.addresses || before?.addresses?.length) body.addresses = lines(values.addresses, ",");
  if (values.max_output_tokens) body.max_output_tokens = Number(values.max_output_tokens);
  else if (before?.max_output_tokens) body.max_output_tokens = null;
  return body;
}

async function create(view, owners) {
  const fields = [
    ...fieldsOf(null, owners),
    { name: "expires", label: "Expires", placeholder: "30d", hint: "12h, 30d, 2027-01-01 or a time. Empty: never." },
    { name: "is_admin", label: "Opens the admin API and this dashboard", type: "checkbox" },
  ];
  const submit = (values) =>
    post(
      "/keys",
      { ...bodyOf(values), ...(values.expires ? { expires: values.expires } : {}), ...(values.is_admin ? { is_admin: true } : {}) },
      idempotencyKey(),
    );
  const made = await formDialog("New key", { fields, submit, action: "Make it" });
  if (made) {
    await secretDialog(`Key ${made.name}`, made.key, "This is shown once. Only its hash is kept.");
    view.refresh();
  }
}

async function edit(view, key, owners) {
  const done = await formDialog(`Change ${key.name}`, {
    fields: fieldsOf(key, owners),
    submit: (values) => change(`/keys/${key.id}`, bodyOf(values, key)),
  });
  if (done) {
    toast(`Key ${done.name} was changed.`);
    view.refresh();
  }
}

async function rotate(view, key) {
  const made = await formDialog(`Rotate ${key.name}`, {
    lead: "A new secret takes the old one's place. Both work until the old one ends.",
    fields: [{ name: "overlap", label: "The old one works for", value: "24h", required: true, hint: "30m, 24h or 7d" }],
    action: "Rotate",
    submit: ({ overlap }) => post(`/keys/${key.id}/rotate`, { overlap }, idempotencyKey()),
  });
  if (made) {
    await secretDialog(`New secret of ${key.name}`, made.key, "This is shown once. Only its hash is kept.");
    view.refresh();
  }
}

async function block(view, key) {
  const word = key.is_blocked ? "Unblock" : "Block";
  const text = key.is_blocked ? "Its requests are answered again." : "Its requests are refused from now on, until it is unblocked.";
  const done = await confirmDialog(`${word} ${key.name}?`, text, {
    action: word,
    kind: key.is_blocked ? "primary" : "danger",
    act: () => change(`/keys/${key.id}`, { is_blocked: !key.is_blocked }),
  });
  if (done) view.refresh();
}

async function revoke(view, key) {
  const done = await confirmDialog(`Revoke ${key.name}?`, "It is refused within a second, and for good.", {
    action: "Revoke",
    act: () => drop(`/keys/${key.id}`),
  });
  if (done) {
    toast(`Key ${key.name} was revoked.`);
    view.refresh();
  }
}
