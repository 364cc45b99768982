// Dialogs: a form whose refusal is told beside it, a question before what cannot be undone, and a secret that is shown once.

import { freshId, h } from "../core/dom.js";
import { toast } from "./toasts.js";

/** A modal dialog; resolves when it is closed. `fillIn(close)` gives its body. */
function modal(title, fillIn) {
  return new Promise((resolve) => {
    const id = freshId("dialog");
    let outcome = null;
    const close = (value = null) => {
      outcome = value;
      dialog.close();
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": id },
      h(
        "div",
        { class: "dialog-head" },
        h("h2", { id }, title),
        h("button", { type: "button", class: "button ghost icon-only", "aria-label": "Close", on: { click: () => close() } }, "✕"),
      ),
      h("div", { class: "dialog-body" }, fillIn(close)),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(outcome);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * A form. `fields`: { name, label, type, value, hint, required, options, placeholder }; `submit(values)` does it and may throw, which
 * the form then tells. Resolves to what `submit` gave, or to null.
 */
export function formDialog(title, { fields, submit, action = "Save", lead = null, kind = "primary" }) {
  return modal(title, (close) => {
    const refusal = h("p", { class: "form-error", role: "alert" });
    const made = fields.map(fieldOf);
    const button = h("button", { type: "submit", class: `button ${kind}` }, action);
    return h(
      "form",
      {
        class: "form",
        on: {
          submit: async (event) => {
            event.preventDefault();
            button.disabled = true;
            refusal.textContent = "";
            try {
              close(await submit(Object.fromEntries(made.map(({ name, read }) => [name, read()]))));
            } catch (error) {
              refusal.textContent = error.message;
              button.disabled = false;
            }
          },
        },
      },
      lead && h("p", { class: "soft" }, lead),
      made.map((each) => each.element),
      refusal,
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button", on: { click: () => close() } }, "Cancel"),
        button,
      ),
    );
  });
}

function fieldOf({
  name,
  label,
  type = "text",
  value = "",
  hint = null,
  required = false,
  options = [],
  placeholder = null,
  ...more
}) {
  const id = freshId("field");
  const hintId = hint ? `${id}-hint` : null;
  if (type === "checkbox") {
    const input = h("input", { id, type, "aria-describedby": hintId });
    input.checked = Boolean(value);
    const element = h(
      "div",
      { class: "field" },
      h("div", { class: "check" }, input, h("label", { for: id }, label)),
      hint && h("p", { class: "hint", id: hintId }, hint),
    );
    return { name, element, read: () => input.checked };
  }
  const common = { id, required, "aria-describedby": hintId, name };
  let input;
  if (type === "select")
    input = h(
      "select",
      common,
      options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
    );
  else if (type === "textarea") input = h("textarea", { ...common, placeholder, value });
  else input = h("input", { ...common, type, placeholder, value, autocomplete: "off", spellcheck: "false", ...more });
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint && h("p", { class: "hint", id: hintId }, hint),
  );
  return { name, element, read: () => input.value.trim() };
}

/** Ask before doing. Resolves to what `act` gave, or to null. */
export function confirmDialog(title, text, { action, act, kind = "danger" }) {
  return formDialog(title, { fields: [], lead: text, action, kind, submit: async () => (await act()) ?? true });
}

/** Show something to be looked at. */
export function lookDialog(title, body) {
  return modal(title, (close) =>
    h(
      "div",
      { class: "form" },
      body,
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button primary", on: { click: () => close(true) } }, "Done"),
      ),
    ),
  );
}

/** Show a secret that will not be shown again. */
export function secretDialog(title, secret, text) {
  return modal(title, (close) => {
    const copy = h("button", { type: "button", class: "button small", on: { click: () => copyText(secret) } }, "Copy");
    return h(
      "div",
      { class: "form" },
      h("p", null, text),
      h("div", { class: "secret" }, h("code", { id: "new-secret" }, secret), copy),
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button primary", on: { click: () => close(true) } }, "Done"),
      ),
    );
  });
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser does not allow copying here: select the text instead.", "bad");
  }
}
