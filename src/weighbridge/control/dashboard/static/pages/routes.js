// Routes: who answers for each name, in which share, and who would be asked for a request.

import { get } from "../core/api.js";
import { ask } from "../core/data_plane.js";
import { requestsLink } from "../core/dimensions.js";
import { fill, freshId, h } from "../core/dom.js";
import { chartMoney, duration, percent, plural, ratio } from "../core/format.js";
import { rangeInText, rangeOf } from "../core/range.js";
import { usage } from "../core/usage.js";
import { badge, bar, card, countOf, pageHead } from "../parts/bits.js";
import { keyHolder } from "../parts/key_holder.js";
import { rangePicker } from "../parts/range_picker.js";
import { empty } from "../parts/states.js";
import { table } from "../parts/table.js";

const SAMPLE = { model: "", messages: [{ role: "user", content: "Say hello." }], max_tokens: 200 };
const PATHS = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"];

export async function show(view) {
  const range = rangeOf(view.query);
  const options = { signal: view.signal };
  const [config, used] = await Promise.all([
    get("/config", {}, options),
    usage(range, {}, { group_by: ["route", "model"], percentiles: "true" }, options),
  ]);
  const routes = Object.entries(config.routes ?? {});
  const cards = routes.map(([name, route]) =>
    routeCard(
      view,
      name,
      route,
      used.data.filter((row) => row.group.route === name),
    ),
  );
  return h(
    "div",
    null,
    pageHead(
      "Routes",
      `${plural(routes.length, "route")} in the configuration; shares of ${rangeInText(range)}`,
      rangePicker(view),
    ),
    h(
      "div",
      { class: "stack" },
      routes.length > 0
        ? h("div", { class: "grid" }, cards)
        : card(
            "No route yet",
            empty(
              "Every model is asked by its own name",
              "A route is a name of your own: it falls back, splits traffic, or takes the cheapest.",
            ),
          ),
      explainCard(view, routes),
      bareCard(view, used.data, new Set(routes.map(([name]) => name))),
    ),
  );
}

function targetsOf(route) {
  return (route.targets ?? []).map((each) => (typeof each === "string" ? { target: each, weight: 1 } : { weight: 1, ...each }));
}

function routeCard(view, name, route, used) {
  const all = used.reduce((sum, row) => sum + row.requests, 0);
  const targets = targetsOf(route);
  const named = new Map(used.map((row) => [row.group.model, row]));
  const others = used.filter((row) => !targets.some((each) => each.target === row.group.model));
  const isSplit = route.strategy === "weighted" || route.strategy === "consistent_hash";
  const weights = targets.reduce((sum, each) => sum + each.weight, 0);
  const lines = targets.map((each, index) => {
    const row = named.get(each.target);
    const wanted = isSplit
      ? `${percent(ratio(each.weight, weights), 0)} wanted`
      : index === 0
        ? "first choice"
        : `choice ${index + 1}`;
    return share(view, name, each.target ?? `route ${each.route}`, row, all, [
      wanted,
      each.when && `when ${each.when}`,
      each.region && `region ${each.region}`,
    ]);
  });
  const strange = others.map((row) => share(view, name, row.group.model, row, all, ["answered, and is no target by this name"]));
  const features = [
    badge(String(route.strategy ?? "ordered").replaceAll("_", " "), "info"),
    route.hedge && badge("hedged"),
    route.midstream && badge("continues midstream"),
    route.retry?.attempts && badge(plural(route.retry.attempts, "attempt")),
  ];
  const link = h("a", { href: requestsLink(view.query, { route: name }) }, plural(all, "request"));
  return card(name, [h("div", { class: "row" }, features), h("div", { class: "bar-list route-bars" }, lines, strange)], {
    span: 6,
    tools: [link],
  });
}

function share(view, route, target, row, all, notes) {
  const live = ratio(row?.requests ?? 0, all) ?? 0;
  return bar({
    name: h("a", { class: "plain-link", href: requestsLink(view.query, { route, model: target }), title: target }, target),
    value: percent(live, 1),
    parts: [{ share: live }],
    label: `${target}: ${percent(live, 1)} of the requests`,
    foot: [
      h("span", null, notes.filter(Boolean).join(" · ")),
      row && h("span", null, `${percent(ratio(row.errors, row.requests))} failed, p95 ${duration(row.duration_ms?.p95)}`),
    ],
  });
}

function bareCard(view, rows, routes) {
  const bare = rows.filter((row) => !routes.has(row.group.route));
  const columns = [
    {
      title: "Asked for",
      head: true,
      cut: 40,
      cell: (row) => h("a", { href: requestsLink(view.query, { route: row.group.route }) }, row.group.route || "(nothing)"),
      sort: (row) => row.group.route,
    },
    { title: "Answered by", cut: 40, cell: (row) => row.group.model, sort: (row) => row.group.model },
    { title: "Requests", num: true, cell: (row) => countOf(row.requests), sort: (row) => row.requests },
    {
      title: "Failed",
      num: true,
      cell: (row) => percent(ratio(row.errors, row.requests)),
      sort: (row) => ratio(row.errors, row.requests),
    },
  ];
  return card(
    "Asked for by a bare name",
    table({
      label: "Names that are no route",
      columns,
      rows: bare,
      sorted: [2, "descending"],
      none: "Nothing was asked for by a bare name",
    }),
    { flush: true },
  );
}

function explainCard(view, routes) {
  const answer = h("div", { id: "explained", "aria-live": "polite" });
  const place = h("div");
  const draw = () => {
    const holder = keyHolder(draw);
    fill(place, holder ?? explainForm(view, routes, answer));
  };
  draw();
  return card(
    "Explain a request",
    [
      h("p", { class: "card-note" }, "Who would be asked, in which order, and who not. Nothing is sent to a provider."),
      place,
      answer,
    ],
    {},
  );
}

function explainForm(view, routes, answer) {
  const [pathId, bodyId] = [freshId("path"), freshId("body")];
  const path = h(
    "select",
    { id: pathId },
    PATHS.map((each) => h("option", { value: each }, each)),
  );
  const sample = JSON.stringify({ ...SAMPLE, model: routes[0]?.[0] ?? "openai/gpt-5" }, null, 2);
  const body = h("textarea", { id: bodyId, class: "mono", rows: 8, spellcheck: "false", value: sample });
  const refusal = h("p", { class: "form-error", role: "alert" });
  const explain = async (event) => {
    event.preventDefault();
    refusal.textContent = "";
    try {
      const asked = { path: path.value, body: JSON.parse(body.value) };
      fill(answer, explained(await (await ask("/v1/explain", asked, { signal: view.signal })).json()));
    } catch (error) {
      refusal.textContent = error instanceof SyntaxError ? `The body is no JSON: ${error.message}` : error.message;
    }
  };
  return h(
    "form",
    { class: "form", on: { submit: explain } },
    h("div", { class: "field" }, h("label", { for: pathId }, "Path"), path),
    h("div", { class: "field" }, h("label", { for: bodyId }, "Body"), body),
    h("div", null, h("button", { type: "submit", class: "button primary", id: "explain" }, "Explain")),
    refusal,
  );
}

function explained(found) {
  const rows = found.candidates.map((each, index) => ({ ...each, place: index + 1 }));
  const cost = (each) =>
    each.cost_usd === null
      ? h("span", { class: "faint" }, "unknown")
      : each.cost_usd.map((value) => chartMoney(Number(value))).join(" to ");
  const columns = [
    { title: "", hidden: "Place", cell: (each) => `${each.place}.` },
    { title: "Target", head: true, cell: (each) => each.target },
    {
      title: "State",
      cell: (each) =>
        each.refused ? badge(each.refused, "bad") : badge(each.state, each.state === "well" ? "good" : "warn", { dot: true }),
    },
    { title: "Translated into", cell: (each) => each.format ?? "nothing: the bytes pass" },
    { title: "Edits", cell: (each) => (each.edits ?? []).join(", ") || "none" },
    { title: "First token", num: true, cell: (each) => duration(each.first_token_ms ?? null) },
    { title: "Cost", num: true, cell: cost },
  ];
  return [
    h(
      "p",
      null,
      "By ",
      h("strong", null, found.strategy),
      ` on route ${found.route}, at most ${plural(found.attempts, "attempt")}.`,
    ),
    table({ label: "Who would be asked", id: "candidates", columns, rows, none: "Nobody could be asked" }),
    found.lost.length > 0 &&
      h(
        "ul",
        { class: "soft" },
        found.lost.map((each) => h("li", null, `${each.target} not: ${each.reason}`)),
      ),
  ];
}
