// The span of time that a view shows: presets, or two moments.

import { freshId, h } from "../core/dom.js";
import { PRESETS, rangeName, rangeOf } from "../core/range.js";
import { popover } from "./popover.js";

export function rangePicker(view) {
  const range = rangeOf(view.query);
  const presets = h(
    "div",
    { class: "segments", role: "group", "aria-label": "Span of time" },
    PRESETS.map((preset) =>
      h(
        "button",
        {
          type: "button",
          id: `range${preset.from}`,
          title: preset.name,
          "aria-pressed": String(range.from === preset.from && range.to === "now"),
          on: { click: () => view.change({ from: preset.from, to: null, cursor: null }) },
        },
        preset.label,
      ),
    ),
  );
  const isPreset = PRESETS.some((each) => each.from === range.from && range.to === "now");
  return h(
    "div",
    { class: "row" },
    presets,
    popover(isPreset ? "Custom" : rangeName(range), custom(view, range), { id: "range-custom" }),
  );
}

function custom(view, range) {
  const refusal = h("p", { class: "form-error", role: "alert" });
  const from = moment("From", range.start);
  const to = moment("To", range.end);
  return h(
    "form",
    {
      class: "form",
      on: {
        submit: (event) => {
          event.preventDefault();
          const [start, end] = [new Date(from.input.value), new Date(to.input.value)];
          if (!(end > start)) {
            refusal.textContent = "The end must be after the start.";
            return;
          }
          view.change({ from: start.toISOString(), to: end.toISOString(), cursor: null });
        },
      },
    },
    from.field,
    to.field,
    h("button", { type: "submit", class: "button primary" }, "Show"),
    refusal,
  );
}

function moment(label, at) {
  const id = freshId("moment");
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  const input = h("input", { id, type: "datetime-local", required: true, value: local });
  return { input, field: h("div", { class: "field" }, h("label", { for: id }, label), input) };
}
