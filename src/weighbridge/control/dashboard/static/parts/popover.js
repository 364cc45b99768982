// A button with a panel below it that Escape, a click elsewhere, or leaving by Tab closes.

import { freshId, h } from "../core/dom.js";

export function popover(text, content, { id = freshId("popover"), kind = "", label = null } = {}) {
  const panel = h("div", { class: "popover-panel", id: `${id}-panel`, hidden: true }, content);
  const button = h(
    "button",
    {
      type: "button",
      class: `button ${kind}`,
      id,
      "aria-expanded": "false",
      "aria-controls": panel.id,
      "aria-label": label,
      on: { click: () => open(panel.hidden) },
    },
    text,
  );
  const holder = h("div", { class: "popover" }, button, panel);

  function open(isOpen) {
    panel.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    const listen = isOpen ? "addEventListener" : "removeEventListener";
    document[listen]("pointerdown", outside);
    window[listen]("resize", shut);
    document[listen]("scroll", scrolled, { capture: true });
    if (!isOpen) return;
    place(button, panel);
    panel.querySelector("input, select, button, a")?.focus();
  }

  const shut = () => open(false);
  const scrolled = (event) => {
    if (!panel.contains(event.target)) open(false);
  };

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

/** Below the button, or above it where there is no room; within the window. Fixed, so that no scrolling table cuts it off. */
function place(button, panel) {
  const at = button.getBoundingClientRect();
  const size = panel.getBoundingClientRect();
  const isBelow = at.bottom + 6 + size.height <= innerHeight || at.top < size.height;
  const left = Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8));
  panel.style.setProperty(
    "--left",
    `${at.left < innerWidth / 2 ? Math.max(8, Math.min(at.left, innerWidth - size.width - 8)) : left}px`,
  );
  panel.style.setProperty("--top", `${Math.max(8, isBelow ? at.bottom + 6 : at.top - 6 - size.height)}px`);
}
