// Playground: the same words to one, two or three models side by side, as they stream, with what each cost and how long it took.

import { get } from "../core/api.js";
import { chat, models } from "../core/data_plane.js";
import { fill, freshId, h } from "../core/dom.js";
import { count, duration, exactMoney, money } from "../core/format.js";
import { button, card, pageHead } from "../parts/bits.js";
import { keyHolder } from "../parts/key_holder.js";
import { attempt } from "../parts/toasts.js";

const MAX_PANES = 3;
/** A Record is settled and stored a moment after its answer; waits between looks for it, in ms. */
const LOOKS_MS = [150, 400, 800, 1_600, 3_200];

export async function show(view) {
  const place = h("div");
  const draw = async () => {
    const holder = keyHolder(draw);
    if (holder) {
      fill(place, holder);
      return;
    }
    let names = [];
    await attempt(async () => {
      names = await models({ signal: view.signal });
    }, "Ready.");
    fill(place, new Playground(view, names).element);
  };
  await draw();
  return h(
    "div",
    null,
    pageHead("Playground", "The same words to several models. Each request passes the gateway and is booked as any other."),
    place,
  );
}

class Playground {
  constructor(view, names) {
    this._view = view;
    this._names = names;
    this._panes = [];
    this._running = null;
    this._known = freshId("models");
    this._place = h("div", { class: "panes" });
    this._addButton = button("Add a model", () => this.add(), { id: "add-pane" });
    this._runButton = h("button", { type: "submit", class: "button primary", id: "run" }, "Run");
    this._stopButton = button("Stop", () => this._running?.abort(), { id: "stop", disabled: true });
    this.element = h(
      "div",
      null,
      h(
        "datalist",
        { id: this._known },
        names.map((name) => h("option", { value: name })),
      ),
      this._place,
      card("Ask", this._form()),
    );
    const wanted = view.query.getAll("model");
    for (const name of wanted.length > 0 ? wanted.slice(0, MAX_PANES) : [names[0] ?? ""]) this.add(name);
  }

  add(name = this._names[this._panes.length] ?? "") {
    const pane = new Pane(name, this._known, this._panes.length + 1, () => this._drop(pane));
    this._panes.push(pane);
    this._place.append(pane.element);
    this._count();
  }

  _drop(pane) {
    this._panes = this._panes.filter((each) => each !== pane);
    pane.element.remove();
    this._count();
  }

  _count() {
    this._addButton.disabled = this._panes.length >= MAX_PANES;
    for (const pane of this._panes) pane.canGo(this._panes.length > 1);
  }

  _form() {
    const field = (label, props) => {
      const id = freshId("setting");
      const input = h("input", { id, ...props });
      return { input, element: h("div", { class: "field" }, h("label", { for: id }, label), input) };
    };
    const words = freshId("words");
    const message = h("textarea", { id: words, required: true, placeholder: "Ask something. Ctrl + Enter sends it." });
    const system = field("System message", { type: "text", placeholder: "none" });
    const tokens = field("Output at most", { type: "number", min: 1, max: 1_000_000, value: 512 });
    const warmth = field("Temperature", { type: "number", min: 0, max: 2, step: 0.1, placeholder: "the model's own" });
    const streamId = freshId("stream");
    const stream = h("input", { type: "checkbox", id: streamId });
    stream.checked = true;
    const form = h(
      "form",
      { on: { submit: (event) => (event.preventDefault(), this._run(message, { system, tokens, warmth, stream })) } },
      h(
        "div",
        { class: "compose" },
        h("div", { class: "field" }, h("label", { for: words }, "Message"), message, system.element),
        h(
          "div",
          { class: "form" },
          tokens.element,
          warmth.element,
          h("div", { class: "check" }, stream, h("label", { for: streamId }, "Stream")),
        ),
      ),
      h(
        "div",
        { class: "row compose-foot" },
        this._runButton,
        this._stopButton,
        this._addButton,
        button("Clear", () => this._panes.forEach((pane) => pane.clear()), { kind: "ghost", id: "clear" }),
      ),
    );
    message.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    return form;
  }

  async _run(message, { system, tokens, warmth, stream }) {
    if (this._running) return;
    this._running = new AbortController();
    const stop = () => this._running?.abort();
    this._view.onLeave(stop);
    this._runButton.disabled = true;
    this._stopButton.disabled = false;
    const settings = {
      max_tokens: Number(tokens.input.value) || 512,
      stream: stream.checked,
      ...(stream.checked ? { stream_options: { include_usage: true } } : {}),
      ...(warmth.input.value === "" ? {} : { temperature: Number(warmth.input.value) }),
    };
    const words = message.value;
    message.value = "";
    await Promise.all(this._panes.map((pane) => pane.ask(words, system.input.value.trim(), settings, this._running.signal)));
    this._running = null;
    this._runButton.disabled = false;
    this._stopButton.disabled = true;
    message.focus();
  }
}

class Pane {
  constructor(name, known, number, drop) {
    this._turns = [];
    this._model = h("input", {
      class: "input",
      list: known,
      value: name,
      "aria-label": `Model ${number}`,
      autocomplete: "off",
      spellcheck: "false",
    });
    this._drop = button("×", drop, { kind: "ghost icon-only", label: `Take model ${number} away` });
    this._talk = h("div", { class: "pane-talk", tabindex: "0", role: "log", "aria-label": `Talk with model ${number}` });
    this._foot = h("div", { class: "pane-foot" }, "Nothing asked yet");
    this.element = h(
      "section",
      { class: "card pane", "aria-label": `Model ${number}` },
      h("div", { class: "pane-head" }, this._model, this._drop),
      this._talk,
      this._foot,
    );
  }

  canGo(can) {
    this._drop.hidden = !can;
  }

  clear() {
    this._turns = [];
    fill(this._talk);
    fill(this._foot, "Nothing asked yet");
  }

  /** Ask, and show what comes as it comes; failures are shown where the answer would be. */
  async ask(words, system, settings, signal) {
    const answer = h("div", { class: "turn assistant" });
    this._talk.append(h("div", { class: "turn user" }, words), answer);
    this._turns.push({ role: "user", content: words });
    fill(this._foot, "Waiting …");
    let text = "";
    const heard = (piece, kind) => {
      if (kind === "text") text += piece;
      answer.append(kind === "reasoning" ? h("span", { class: "reasoning" }, piece) : piece);
      this._talk.scrollTop = this._talk.scrollHeight;
    };
    const messages = [...(system ? [{ role: "system", content: system }] : []), ...this._turns];
    try {
      const known = await chat({ model: this._model.value.trim(), messages, ...settings }, heard, { signal });
      this._turns.push({ role: "assistant", content: text });
      await this._say(known);
    } catch (error) {
      this._turns.pop();
      answer.append(h("p", { class: "form-error" }, signal.aborted ? "Stopped." : error.message));
      fill(this._foot, signal.aborted ? "Stopped" : "Failed");
    }
  }

  async _say(known) {
    const usage = known.usage
      ? `${count(known.usage.prompt_tokens)} in, ${count(known.usage.completion_tokens)} out`
      : "tokens unknown";
    const cost = h("span", { class: "pane-cost" }, "cost …");
    fill(
      this._foot,
      h("span", null, `first token ${duration(known.firstMs)}`),
      h("span", null, `whole ${duration(known.wholeMs)}`),
      h("span", null, usage),
      cost,
    );
    const settled = known.requestId ? await settledRequest(known.requestId) : null;
    fill(
      cost,
      settled
        ? h(
            "a",
            { href: `/dashboard/requests/${encodeURIComponent(settled.id)}`, title: exactMoney(settled.cost_nanousd) },
            `cost ${money(settled.cost_nanousd)}`,
          )
        : "cost not booked yet",
    );
  }
}

async function settledRequest(id) {
  for (const wait of LOOKS_MS) {
    await new Promise((done) => setTimeout(done, wait));
    try {
      const found = await get("/requests", { request_id: id, from: "-1h", limit: 1 });
      if (found.data.length > 0) return found.data[0];
    } catch {
      return null;
    }
  }
  return null;
}
