// One request: its attempts in time, what each used and cost, what was edited, and how it was booked.

import { get } from "../core/api.js";
import { requestsLink } from "../core/dimensions.js";
import { h } from "../core/dom.js";
import { bytes, count, dateTime, duration, exactMoney, exactMoment, moment, money, percent } from "../core/format.js";
import { modelOf } from "../core/requests.js";
import { waterfall } from "../charts/waterfall.js";
import { badge, button, card, facts, moneyOf, pageHead, statusBadge, tile, timeOf } from "../parts/bits.js";
import { copyText } from "../parts/dialogs.js";
import { payloadCard } from "../parts/payload_card.js";
import { table } from "../parts/table.js";
import { COUNTS, PRICES, amountOf, billCard, correctionsCard, priceCard } from "./request_price.js";

const DAY_MS = 86_400_000;

export async function show(view) {
  const found = await get(`/requests/${encodeURIComponent(view.thing)}`, {}, { signal: view.signal });
  return h(
    "div",
    null,
    h("p", { class: "crumbs" }, h("a", { href: "/dashboard/requests" }, "Requests"), " / ", h("span", { class: "mono" }, found.id)),
    pageHead(
      modelOf(found),
      h(
        "span",
        null,
        statusBadge(found.status, found.error),
        " ",
        moment(found.at),
        found.error && h("span", { class: "soft" }, ` · ${found.error}`),
      ),
      button("Copy id", () => copyText(found.id), { id: "copy-id" }),
    ),
    tiles(found),
    h("div", { class: "grid" }, attemptsCard(found), usageCard(found), aboutCard(found), priceCard(found), billCard(found), correctionsCard(found), feedbackCard(found), payloadCard(found), entriesCard(found)),
  );
}

function tiles(found) {
  const tokensKnown = found.usage_provenance !== "unknown";
  return h(
    "div",
    { class: "tiles", vars: { "--columns": "6" } },
    tile({
      id: "tile-cost",
      label: "Cost",
      value: money(found.cost_nanousd),
      title: exactMoney(found.cost_nanousd),
      foot: [badge(found.price_state, PRICES[found.price_state])],
    }),
    tile({ label: "Duration", value: duration(found.duration_ms), foot: [`first byte ${duration(found.first_byte_ms)}`] }),
    tile({ label: "Overhead", value: duration(found.overhead_ms) }),
    tile({
      label: "Tokens in",
      value: tokensKnown ? count(found.input_tokens) : "unknown",
      foot: [found.cache_read_tokens > 0 && `${count(found.cache_read_tokens)} from a cache`],
    }),
    tile({
      label: "Tokens out",
      value: tokensKnown ? count(found.output_tokens) : "unknown",
      foot: [found.reasoning_tokens > 0 && `${count(found.reasoning_tokens)} reasoning`],
    }),
    tile({ label: "Attempts", value: count(found.attempts.length), foot: [found.is_stream ? "streamed" : "whole"] }),
  );
}

function attemptsCard(found) {
  const colours = [
    ["waiting", "waiting for the first byte"],
    ["receiving", "receiving"],
    ["failed", "failed"],
  ];
  const key = h(
    "p",
    { class: "keys-of-colours", "aria-hidden": "true" },
    colours.map(([kind, text]) => h("span", null, h("span", { class: `swatch ground-${kind}` }), text)),
  );
  const columns = [
    { title: "Target", head: true, cell: (each) => `${each.provider}/${each.model}` },
    {
      title: "Provider key",
      cell: (each) => [each.credential || "–", each.is_own_key && badge("customer's own", "info")],
    },
    { title: "Status", cell: (each) => (each.status ? statusBadge(each.status, each.error) : badge("no answer", "bad")) },
    { title: "Error", cell: (each) => each.error ?? "–" },
    { title: "Cost", num: true, cell: (each) => moneyOf(each.cost_nanousd) },
    { title: "Held at most", num: true, cell: (each) => moneyOf(each.reserved_nanousd) },
  ];
  return card(
    "Attempts",
    [
      found.attempts.length > 0 &&
        h("div", { class: "card-body" }, waterfall(found.duration_ms, found.first_byte_ms, found.attempts), key),
      table({
        label: "Attempts",
        id: "attempts",
        columns,
        rows: found.attempts,
        none: "Nobody was asked",
        noneText: "The gateway answered by itself.",
      }),
    ],
    { flush: true },
  );
}

function usageCard(found) {
  const used = COUNTS.filter(
    ([name]) => found.attempts.some((each) => each.usage[name] > 0) || name === "input" || name === "output",
  );
  const columns = [
    { title: "Tokens", head: true, cell: ([, title]) => title },
    ...found.attempts.map((each, index) => ({
      title: found.attempts.length > 1 ? `Attempt ${index + 1}` : "Count",
      num: true,
      cell: ([name]) => (each.usage.provenance === "unknown" ? "unknown" : amountOf(name, each.usage[name] ?? 0)),
    })),
  ];
  const foot = h(
    "tr",
    null,
    h("th", { scope: "row" }, "Says who"),
    found.attempts.map((each) => h("td", { class: "num" }, badge(each.usage.provenance))),
  );
  return card(
    "Usage",
    found.attempts.length > 0
      ? table({ label: "Usage by attempt", id: "usage", columns, rows: used, foot })
      : h("p", { class: "card-body soft" }, "Nothing was used."),
    { span: 6, flush: true },
  );
}

function aboutCard(found) {
  const link = (name, value) => value && h("a", { href: requestsLink(new URLSearchParams(), { [name]: value }) }, value);
  return card(
    "About it",
    facts(
      [
        ["Asked", h("code", null, `${found.method} ${found.path}`)],
        ["Came", h("span", null, timeOf(found.at), h("span", { class: "faint" }, ` (${exactMoment(found.at)})`))],
        ["Asked for", found.requested_model],
        ["Route", link("route", found.route)],
        [
          "Key",
          found.key_id &&
            h("a", { href: requestsLink(new URLSearchParams(), { key: found.key_id }) }, found.key_name ?? found.key_id),
        ],
        ["Team", link("team", found.team)],
        ["User", link("user", found.user)],
        ["Organisation", link("organisation", found.organisation)],
        ["End user", link("end_user", found.end_user)],
        ["Session", found.session && h("a", { href: sessionLink(found) }, found.session)],
        [
          "Tags",
          found.tags.length > 0 &&
            h(
              "span",
              { class: "chips" },
              found.tags.map((tag) => badge(tag)),
            ),
        ],
        ["Dialect", `${found.dialect}, ${found.operation}`],
        ["Finish reason", found.finish_reason],
        [
          "Edits",
          found.edits.length > 0
            ? h(
                "ul",
                { id: "edits" },
                found.edits.map((edit) => h("li", null, h("code", null, edit))),
              )
            : "none: the bytes went through untouched",
        ],
        [
          "Charged for",
          found.resolves &&
            h("a", { href: `/dashboard/requests/${encodeURIComponent(found.resolves)}` }, "a response that went on in the background"),
        ],
        ["Size", `${bytes(found.request_bytes)} in, ${bytes(found.reply_bytes)} out`],
        ["Configuration", `version ${found.config_version}`],
      ].map(([name, value]) => [name, value || null]),
    ),
    { span: 6 },
  );
}

/** The session in the days around this request: it may have been long ago. */
function sessionLink({ session, at }) {
  const around = (ms) => new Date(Date.parse(at) + ms).toISOString();
  return `/dashboard/sessions/${encodeURIComponent(session)}?${new URLSearchParams({ from: around(-DAY_MS), to: around(DAY_MS) })}`;
}

/** What people think of the answer; nothing where nobody has said anything. */
function feedbackCard(found) {
  if (!found.feedback?.length) return null;
  const columns = [
    { title: "At", cell: (each) => dateTime(each.at) },
    { title: "By", head: true, cut: 30, cell: (each) => each.rater },
    { title: "Score", num: true, cell: (each) => (each.score === null ? "–" : percent(each.score, 0)) },
    { title: "Label", cut: 30, cell: (each) => each.label },
    { title: "Comment", cell: (each) => each.comment },
  ];
  return card("Feedback", table({ label: "Feedback", id: "feedback", columns, rows: found.feedback }), { flush: true });
}

function entriesCard(found) {
  const columns = [
    { title: "Entry", head: true, cell: (each) => h("span", { class: "mono" }, each.id) },
    { title: "Kind", cell: (each) => badge(each.kind) },
    { title: "Debit", cut: true, cell: (each) => each.debit },
    { title: "Credit", cut: true, cell: (each) => each.credit },
    { title: "Amount", num: true, cell: (each) => moneyOf(each.amount_nanousd) },
  ];
  return card(
    "Ledger entries",
    table({ label: "Ledger entries", id: "entries", columns, rows: found.entries, none: "Nothing was booked" }),
    { flush: true },
  );
}
