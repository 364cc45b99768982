// Requests: the last ones, by any filter, as they come; and one by itself.

import { filtersOf } from "../core/dimensions.js";
import { announce, fill, h } from "../core/dom.js";
import { count, duration, exactMoment, plural } from "../core/format.js";
import { keyNames } from "../core/names.js";
import { rangeName, rangeOf } from "../core/range.js";
import { modelOf, requestsPage } from "../core/requests.js";
import { forgetView, savedViews, saveView } from "../core/saved_views.js";
import { badge, button, card, countOf, moneyOf, pageHead, statusBadge, timeOf } from "../parts/bits.js";
import { csvDollars, saveCsv } from "../parts/csv.js";
import { formDialog } from "../parts/dialogs.js";
import { filterBar } from "../parts/filters.js";
import { popover } from "../parts/popover.js";
import { rangePicker } from "../parts/range_picker.js";
import { empty } from "../parts/states.js";
import { line, table } from "../parts/table.js";
import { toast } from "../parts/toasts.js";

const TAIL_MS = 2_000;
const MAX_SHOWN = 1_000;
const MAX_EXPORTED = 10_000;

const COLUMNS = [
  { title: "Time", head: true, cell: (each) => h("a", { class: "plain-link", href: linkOf(each) }, timeOf(each.at)) },
  {
    title: "Status",
    cell: (each) => [
      statusBadge(each.status, each.error),
      each.attempts > 1 && badge(`${each.attempts} tries`, "info", { title: "Answered after more than one attempt" }),
    ],
  },
  { title: "Model", cut: 25, cell: (each) => modelOf(each) },
  { title: "Asked for", cut: 16, cell: (each) => each.requested_model },
  { title: "Key", cut: 16, cell: (each) => each.key_name ?? each.key_id ?? "–" },
  { title: "Team", cut: 12, cell: (each) => each.team || "–" },
  { title: "In", num: true, cell: (each) => tokens(each, each.input_tokens) },
  { title: "Out", num: true, cell: (each) => tokens(each, each.output_tokens) },
  {
    title: "Cost",
    num: true,
    cell: (each) => [
      moneyOf(each.cost_nanousd),
      each.price_state === "estimated" && h("span", { class: "faint", title: "estimated" }, " ≈"),
    ],
  },
  { title: "First byte", num: true, cell: (each) => duration(each.first_byte_ms) },
  { title: "Duration", num: true, cell: (each) => duration(each.duration_ms) },
];

function tokens(each, value) {
  return each.usage_provenance === "unknown"
    ? h("span", { class: "faint", title: "The provider did not say" }, "–")
    : countOf(value);
}

const linkOf = (each) => `/dashboard/requests/${encodeURIComponent(each.id)}`;

export async function show(view) {
  if (view.thing) return (await import("./request.js")).show(view);
  const options = { signal: view.signal };
  const [page, names] = await Promise.all([
    requestsPage(view.query, { cursor: view.query.get("cursor") }, options),
    keyNames(options),
  ]);
  const isLive = view.query.has("live");
  const rows = new Rows(view, page);
  if (isLive) view.every(TAIL_MS, () => rows.tail());
  return h(
    "div",
    null,
    pageHead(
      "Requests",
      rangeName(rangeOf(view.query)),
      rangePicker(view),
      button(isLive ? "Live" : "Go live", () => view.change({ live: isLive ? null : "1", cursor: null }), {
        id: "live",
        pressed: isLive,
      }),
    ),
    filterBar(view, {
      ofRequests: true,
      names,
      tools: [views(view), button("Export CSV", () => exported(view), { kind: "ghost", id: "export" })],
    }),
    rows.element,
  );
}

/** The table, which grows at both ends. */
class Rows {
  constructor(view, page) {
    this._view = view;
    this._seen = new Set(page.data.map((each) => each.id));
    this._cursor = page.has_more ? page.next_cursor : null;
    this._isAsking = false;
    this._note = h("p", { class: "card-note", id: "shown-count" });
    this._more = button("Load more", () => this.more(), { id: "load-more" });
    this._place = h("div");
    this.element = card(
      "Requests, newest first",
      [this._place, h("div", { class: "card-body row apart" }, this._note, this._more)],
      { flush: true },
    );
    this._draw(page.data);
  }

  _draw(rows) {
    const isNone = rows.length === 0;
    const hint =
      Object.keys(filtersOf(this._view.query, { ofRequests: true })).length > 0
        ? "Take a filter away, or look at a longer span."
        : "Point an SDK at the gateway, and what it asks appears here.";
    fill(
      this._place,
      isNone
        ? empty("No requests in this span", hint)
        : table({ label: "Requests", id: "requests", columns: COLUMNS, rows, link: linkOf, go: (path) => this._view.go(path) }),
    );
    this._body = this._place.querySelector("tbody");
    this._say();
  }

  _say() {
    this._note.textContent = `${plural(this._seen.size, "request")} shown${this._cursor ? ", and there are more" : ""}`;
    this._more.hidden = this._cursor === null;
  }

  /** The next page, older. */
  async more() {
    this._more.disabled = true;
    try {
      const page = await requestsPage(this._view.query, { cursor: this._cursor }, { signal: this._view.signal });
      this._cursor = page.has_more ? page.next_cursor : null;
      const fresh = this._unseen(page.data);
      this._body.append(...fresh.map((each) => this._line(each)));
      this._say();
      announce(`${fresh.length} more shown`);
    } catch (error) {
      toast(error.message, "bad");
    } finally {
      this._more.disabled = false;
    }
  }

  /** What has come since, newest first. */
  async tail() {
    if (this._isAsking) return;
    this._isAsking = true;
    try {
      const page = await requestsPage(this._view.query, {}, { signal: this._view.signal });
      const fresh = this._unseen(page.data);
      if (fresh.length === 0) return;
      if (!this._body) {
        this._draw(fresh);
        return;
      }
      const lines = fresh.map((each) => this._line(each));
      for (const each of lines) each.classList.add("is-new");
      this._body.prepend(...lines);
      while (this._body.rows.length > MAX_SHOWN) this._body.lastElementChild.remove();
      this._say();
    } catch (error) {
      if (!this._view.signal.aborted) this._note.textContent = `${error.message} Trying again …`;
    } finally {
      this._isAsking = false;
    }
  }

  _line(each) {
    return line(each, COLUMNS, linkOf, (path) => this._view.go(path));
  }

  _unseen(requests) {
    const fresh = requests.filter((each) => !this._seen.has(each.id));
    for (const each of fresh) this._seen.add(each.id);
    return fresh;
  }
}

function views(view) {
  const panel = h("div", { class: "stack" });
  const draw = () => {
    const kept = Object.entries(savedViews("requests"));
    fill(
      panel,
      kept.length === 0 && h("p", { class: "soft" }, "Filters and span under a name, kept in this browser."),
      kept.map(([name, query]) =>
        h(
          "div",
          { class: "row apart" },
          h("a", { href: `/dashboard/requests?${query}` }, name),
          button("×", () => (forgetView("requests", name), draw()), {
            kind: "ghost small icon-only",
            label: `Forget view ${name}`,
          }),
        ),
      ),
      button("Save this view", () => save(view, draw), { id: "save-view" }),
    );
  };
  draw();
  return popover("Views", panel, { id: "views", kind: "ghost" });
}

async function save(view, draw) {
  const query = new URLSearchParams(view.query);
  query.delete("cursor");
  await formDialog("Save this view", {
    fields: [{ name: "name", label: "Name", required: true, maxlength: 60 }],
    submit: async ({ name }) => saveView("requests", name, query.toString()),
  });
  draw();
}

async function exported(view) {
  const rows = [];
  let cursor = null;
  try {
    do {
      const page = await requestsPage(view.query, { limit: 200, cursor }, { signal: view.signal });
      rows.push(...page.data);
      cursor = page.has_more ? page.next_cursor : null;
    } while (cursor && rows.length < MAX_EXPORTED);
  } catch (error) {
    toast(error.message, "bad");
    return;
  }
  const names = [
    "id",
    "at",
    "status",
    "error",
    "key_name",
    "team",
    "user",
    "organisation",
    "end_user",
    "session",
    "route",
    "requested_model",
    "provider",
    "model",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_provenance",
    "price_state",
    "duration_ms",
    "first_byte_ms",
    "overhead_ms",
    "attempts",
  ];
  const cells = rows.map((each) => [...names.map((name) => each[name]), each.tags.join(" "), csvDollars(each.cost_nanousd)]);
  saveCsv(`requests-${exactMoment(Date.now()).slice(0, 19).replaceAll(":", "")}.csv`, [...names, "tags", "cost_usd"], cells);
  toast(
    cursor
      ? `The first ${count(rows.length)} requests were exported; narrow the span for the rest.`
      : `${plural(rows.length, "request")} exported.`,
  );
}
