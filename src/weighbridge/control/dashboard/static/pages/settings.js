// Settings: how the gateway does, its configuration as loaded, loading it anew, and who changed what.

import { get, list, post } from "../core/api.js";
import { fill, h } from "../core/dom.js";
import { offers } from "../core/offers.js";
import { count, dateTime, distance, duration, plural } from "../core/format.js";
import { writeJson } from "../core/json.js";
import { badge, button, card, facts, pageHead, tile, timeOf } from "../parts/bits.js";
import { optional } from "../parts/states.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

const WORKER_STATES = { ready: "good", starting: "info", draining: "warn", down: "bad" };

export async function show(view) {
  const options = { signal: view.signal };
  const [status, config, audit] = await Promise.all([
    get("/status", {}, options),
    get("/config", {}, options),
    offers("GET", "/audit") ? optional(list("/audit", {}, options, 200), null) : null,
  ]);
  const outcome = h("div", { id: "reload-outcome", "aria-live": "polite" });
  const failed = status.config.last_failed_reload;
  return h(
    "div",
    null,
    pageHead(
      "Settings",
      `Weighbridge ${status.version}`,
      button("Load the configuration again", (event) => reload(view, outcome, event.currentTarget), {
        kind: "primary",
        id: "reload",
        changes: "manage_gateway",
      }),
    ),
    outcome,
    failed &&
      h(
        "div",
        { class: "notice bad" },
        h("p", null, `A load of the configuration was refused ${distance(failed.at)}; the one before it goes on serving.`),
        problems(failed.problems),
      ),
    tiles(status),
    h("div", { class: "grid" }, workersCard(status), aboutCard(status), configCard(config), audit && auditCard(audit)),
  );
}

function tiles(status) {
  const sum = (measure) => status.workers.reduce((whole, each) => whole + measure(each), 0);
  return h(
    "div",
    { class: "tiles" },
    tile({ label: "Up for", value: duration(status.uptime_seconds * 1_000) }),
    tile({
      label: "Workers ready",
      value: `${status.workers.filter((each) => each.state === "ready").length} of ${status.workers.length}`,
      foot: [
        plural(
          sum((each) => each.restarts),
          "restart",
        ),
      ],
    }),
    tile({ label: "Requests in flight", value: count(sum((each) => each.in_flight)), href: "/dashboard/requests?live=1" }),
    tile({ label: "Connections", value: count(sum((each) => each.connections)) }),
  );
}

function workersCard(status) {
  const columns = [
    { title: "Worker", head: true, cell: (each) => (each.pid === null ? "none" : `process ${each.pid}`) },
    { title: "State", cell: (each) => badge(each.state, WORKER_STATES[each.state] ?? "", { dot: true }) },
    { title: "Connections", num: true, cell: (each) => count(each.connections) },
    { title: "In flight", num: true, cell: (each) => count(each.in_flight) },
    { title: "Restarts", num: true, cell: (each) => count(each.restarts) },
  ];
  return card("Workers", table({ label: "Workers", id: "workers", columns, rows: status.workers }), { span: 7, flush: true });
}

function aboutCard(status) {
  const pairs = [
    ["Configuration", `version ${status.config.version}`],
    ["From", h("code", null, status.config.source)],
    [
      "Loaded",
      h("span", null, dateTime(status.config.loaded_at), h("span", { class: "faint" }, ` (${distance(status.config.loaded_at)})`)),
    ],
    ["Program", `Weighbridge ${status.version}`],
    ["Admin API", h("a", { href: "/admin/v1/openapi.json", target: "_blank", rel: "noopener" }, "its description")],
  ];
  return card("Configuration in use", facts(pairs), { span: 5 });
}

function configCard(config) {
  const place = h("div", { class: "stack" });
  const sections = Object.keys(config);
  const show = (name) => {
    const text = writeJson(name === "" ? config : config[name]);
    fill(
      place,
      h(
        "pre",
        { class: "config-text mono", tabindex: "0", id: "config", "aria-label": "Configuration as loaded" },
        JSON.stringify(JSON.parse(text), null, 2),
      ),
    );
  };
  const pick = h(
    "select",
    {
      class: "input narrow",
      id: "config-section",
      "aria-label": "Section of the configuration",
      on: { change: (event) => show(event.target.value) },
    },
    h("option", { value: "" }, "All of it"),
    sections.map((name) => h("option", { value: name }, name)),
  );
  show("");
  return card("Configuration as loaded", place, { tools: [pick], note: "Secrets are masked; durations are nanoseconds." });
}

function auditCard(audit) {
  const text = (value) => (value === null || value === undefined ? "–" : typeof value === "string" ? value : writeJson(value));
  const changes = ({ before, after }) =>
    Object.entries(after)
      .map(([name, value]) => `${name}: ${text(before[name])} → ${text(value)}`)
      .join("; ");
  const columns = [
    { title: "When", head: true, cell: (each) => timeOf(each.at), sort: (each) => each.at },
    { title: "Who", cut: 26, cell: (each) => each.actor, sort: (each) => each.actor },
    { title: "Did", cell: (each) => badge(each.action.replaceAll("_", " ")), sort: (each) => each.action },
    { title: "To", cut: 40, cell: (each) => `${each.kind} ${each.subject}`.trim(), sort: (each) => `${each.kind} ${each.subject}` },
    { title: "What changed", cut: 60, cell: (each) => (each.action === "create" ? "" : changes(each)) },
  ];
  return card(
    "Audit log",
    table({ label: "Audit log", id: "audit", columns, rows: audit, sorted: [0, "descending"], none: "Nothing was changed yet" }),
    { flush: true },
  );
}

async function reload(view, outcome, asked) {
  asked.disabled = true;
  try {
    const found = await post("/config/reload", undefined);
    toast(`Version ${found.config_version} serves now.`);
    await view.refresh();
  } catch (error) {
    fill(outcome, h("div", { class: "notice bad", role: "alert" }, h("p", null, error.message), problems(error.problems)));
    asked.disabled = false;
  }
}

function problems(found) {
  return h(
    "ul",
    null,
    found.map((each) =>
      h(
        "li",
        null,
        h("code", null, each.path),
        ` ${each.message}`,
        each.line && ` (line ${each.line})`,
        each.suggestion && `: ${each.suggestion}`,
      ),
    ),
  );
}
