// Signing in by an admin key, or by e-mail and password.

import { signIn } from "./core/api.js";

const HOME = "/dashboard/overview";
const refusal = document.getElementById("sign-in-error");
const tabs = [...document.querySelectorAll("[role=tab]")];

/** Where to go afterwards: a page of ours, and never an address that somebody put into a link. */
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? HOME;
  const url = URL.canParse(wanted, location.origin) ? new URL(wanted, location.origin) : null;
  const isOurs = url?.origin === location.origin && url.pathname.startsWith("/dashboard/") && url.pathname !== "/dashboard/sign-in";
  return isOurs ? url.pathname + url.search : HOME;
}

function choose(tab) {
  for (const each of tabs) {
    const isChosen = each === tab;
    each.setAttribute("aria-selected", String(isChosen));
    each.tabIndex = isChosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !isChosen;
  }
  refusal.textContent = "";
}

for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tabs[(tabs.indexOf(tab) + 1) % tabs.length];
    choose(other);
    other.focus();
  });
}

for (const form of document.forms) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    refusal.textContent = "";
    try {
      const told = Object.fromEntries(new FormData(form));
      delete told.username;
      await signIn(told);
      location.replace(next());
    } catch (error) {
      refusal.textContent = error.message;
      button.disabled = false;
      form.querySelector("input[type=password]").focus();
    }
  });
}

document.getElementById("admin-key").focus();
