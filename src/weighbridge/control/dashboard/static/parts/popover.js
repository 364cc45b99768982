// A button with a panel below it that Escape, a click elsewhere, or leaving by Tab closes.

import { freshId, h } from "../core/dom.js";

export function popover(text, content, { id = freshId("popover"), kind = "", label = null } = {}) {
  const panel = h("div", { class: "popover-panel", id: `${id}-panel`, hidden: true }, content);
  const button = h(
    "button",
    { type: "button", class: `button ${kind}`, id, "aria-expanded": "false", "aria-controls": panel.id, "aria-label": label, on: { click: () => open(panel.hidden) } },
    text,
  );
  const holder = h("div", { class: "popover" }, button, panel);

  function open(isOpen) {
    panel.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      panel.querySelector("input, select, button, a")?.focus();
      document.addEventListener("pointerdown", outside);
    } else document.removeEventListener("pointerdown", outside);
  }

  const outside = (event) => {
    if (!holder.contains(event.target)) open(false);
  };
  holder.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    event.stopPropagation();
    open(false);
    button.focus();
  });
  holder.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !holder.contains(event.relatedTarget)) open(false);
  });
  return holder;
}
