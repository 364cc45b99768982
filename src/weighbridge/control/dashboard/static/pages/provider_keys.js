// Customers' own keys at providers: bring, change, disable and delete them. What was brought is never shown again.

import { change, drop, get, idempotencyKey, list, post } from "../core/api.js";
import { h } from "../core/dom.js";
import { date, dateTime, distance, plural } from "../core/format.js";
import { offers } from "../core/offers.js";
import { may, me } from "../core/rights.js";
import { badge, button, card, pageHead } from "../parts/bits.js";
import { confirmDialog, formDialog } from "../parts/dialogs.js";
import { popover } from "../parts/popover.js";
import { optional } from "../parts/states.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

const STATES = { active: "good", disabled: "warn", unreadable: "bad" };
const FALLS_BACK = {
  name: "falls_back",
  label: "Where it fails, the gateway's own keys may be used",
  type: "checkbox",
  hint: "And are charged for, as ever. Else such a request fails.",
};

export async function show(view) {
  const options = { signal: view.signal };
  const [brought, facts, keys, teams, organisations] = await Promise.all([
    list("/provider-keys", {}, options),
    get("/provider-keys", { limit: 1 }, options),
    optional(list("/keys", {}, options), []),
    offers("GET", "/teams") ? optional(list("/teams", {}, options), []) : [],
    offers("GET", "/organisations") ? optional(list("/organisations", {}, options), []) : [],
  ]);
  const owners = ownersOf(keys, teams, organisations);
  const mayBring = facts.can_create && facts.providers.length > 0 && owners.length > 0;
  return h(
    "div",
    null,
    pageHead(
      "Provider keys",
      `${plural(brought.length, "key")} that customers have brought: their requests are sent with these, and billed to them`,
      mayBring &&
        button("New provider key", () => create(view, owners, facts.providers), { kind: "primary", id: "new-provider-key" }),
    ),
    !facts.can_create &&
      h(
        "p",
        { class: "notice warn", id: "no-master-key" },
        "None can be brought, since the configuration has no master key to seal it under: ",
        h("span", { class: "mono" }, "provider_keys.master_keys"),
        ".",
      ),
    card("Brought by customers", keysTable(view, brought, owners), { flush: true }),
  );
}

/** Whose keys whoever is signed in may bring, as far as a page can tell: [value, words]. */
function ownersOf(keys, teams, organisations) {
  const place = me();
  const live = keys.filter((key) => key.state !== "revoked");
  const mine = may("manage_keys") ? live : may("manage_own_keys") ? live.filter((key) => key.user === place.email) : [];
  const ofKeys = mine.map((key) => [`key:${key.id}`, `Key ${key.name}`]);
  if (!may("manage_keys")) return ofKeys;
  return [
    ...(place.team ? [] : organisations.map((each) => [`organisation:${each.name}`, `Organisation ${each.name}`])),
    ...teams.map((each) => [`team:${each.name}`, `Team ${each.name}`]),
    ...ofKeys,
  ];
}

const ownerOf = (each) => `${each.owner.kind}:${each.owner.name}`;

function keysTable(view, brought, owners) {
  const named = new Map(owners);
  const called = (each) => named.get(ownerOf(each)) ?? `${each.owner.kind} ${each.owner.name}`;
  const columns = [
    { title: "Whose", head: true, cut: 36, cell: called, sort: called },
    { title: "Provider", cell: (each) => each.provider, sort: (each) => each.provider },
    { title: "Label", cut: 24, cell: (each) => each.label || "–", sort: (each) => each.label },
    { title: "Ends in", cell: (each) => (each.hint ? h("span", { class: "mono faint" }, `…${each.hint}`) : "–") },
    { title: "State", cell: (each) => badge(each.state, STATES[each.state], { dot: true }), sort: (each) => each.state },
    { title: "Where it fails", cell: (each) => (each.falls_back ? "the gateway's keys" : "the request fails") },
    {
      title: "Last used",
      cell: (each) => (each.last_used_at ? h("span", { title: dateTime(each.last_used_at) }, distance(each.last_used_at)) : "–"),
      sort: (each) => each.last_used_at ?? "",
    },
    {
      title: "Brought",
      cell: (each) => h("span", { title: dateTime(each.created_at) }, date(each.created_at)),
      sort: (each) => each.created_at,
    },
    { title: "", cell: (each) => named.has(ownerOf(each)) && actions(view, each, called(each)) },
  ];
  return table({
    label: "Provider keys",
    id: "provider-keys",
    columns,
    rows: brought,
    sorted: [7, "descending"],
    none: "Nobody has brought a key",
    noneText: "Requests are sent with the gateway's own keys.",
  });
}

function actions(view, each, owner) {
  const act = (text, call, kind = "ghost") => button(text, call, { kind: `${kind} small` });
  const isDisabled = each.state === "disabled";
  return popover(
    "⋯",
    h(
      "div",
      { class: "stack menu" },
      act("Change", () => edit(view, each)),
      act(isDisabled ? "Enable" : "Disable", () => toggle(view, each, isDisabled)),
      act("Delete for good", () => gone(view, each, owner), "danger"),
    ),
    { kind: "ghost small", label: `Actions for the key of ${owner} at ${each.provider}, ${each.label || each.hint || each.id}` },
  );
}

async function create(view, owners, providers) {
  const fields = [
    { name: "owner", label: "Whose requests", type: "select", options: owners, value: owners[0][0] },
    { name: "provider", label: "Provider", type: "select", options: providers.map((name) => [name, name]), value: providers[0] },
    {
      name: "secret",
      label: "The provider's key",
      type: "password",
      required: true,
      autocomplete: "new-password",
      hint: "It is sealed at once, and never shown again.",
    },
    { name: "label", label: "Label", maxlength: 64 },
    FALLS_BACK,
  ];
  const submit = ({ owner, ...rest }) => {
    const colon = owner.indexOf(":");
    return post("/provider-keys", { owner: { kind: owner.slice(0, colon), name: owner.slice(colon + 1) }, ...rest }, idempotencyKey());
  };
  const made = await formDialog("New provider key", { fields, submit, action: "Bring it" });
  if (made) {
    toast(`The key is used at ${made.provider} within a second.`);
    view.refresh();
  }
}

async function edit(view, each) {
  const done = await formDialog(`Change the key at ${each.provider}`, {
    lead: "Another secret is another key: bring it, then delete this one.",
    fields: [
      { name: "label", label: "Label", maxlength: 64, value: each.label },
      { ...FALLS_BACK, value: each.falls_back },
    ],
    submit: (values) => change(`/provider-keys/${each.id}`, values),
  });
  if (done) view.refresh();
}

async function toggle(view, each, isDisabled) {
  const word = isDisabled ? "Enable" : "Disable";
  const text = isDisabled
    ? "Its owner's requests are sent with it again."
    : "Its owner's requests are sent with the next key there is: that of a wider owner, or the gateway's.";
  const done = await confirmDialog(`${word} the key at ${each.provider}?`, text, {
    action: word,
    kind: isDisabled ? "primary" : "danger",
    act: () => change(`/provider-keys/${each.id}`, { is_disabled: !isDisabled }),
  });
  if (done) view.refresh();
}

async function gone(view, each, owner) {
  const done = await confirmDialog(`Delete the key of ${owner} at ${each.provider}?`, "It is gone for good, and not used within a second.", {
    action: "Delete",
    act: () => drop(`/provider-keys/${each.id}`),
  });
  if (done) {
    toast("The provider key was deleted.");
    view.refresh();
  }
}
