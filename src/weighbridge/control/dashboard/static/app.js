// The start of every page but signing in: who is here, the frame around pages, and the pages by name.

import { session, signOut } from "./core/api.js";
import { fill, h } from "./core/dom.js";
import { learnOffers, offers } from "./core/offers.js";
import { learnRights, may } from "./core/rights.js";
import { Router } from "./core/view.js";
import { failure } from "./parts/states.js";

const PAGES = {
  overview: () => import("./pages/overview.js"),
  requests: () => import("./pages/requests.js"),
  sessions: () => import("./pages/sessions.js"),
  models: () => import("./pages/models.js"),
  routes: () => import("./pages/routes.js"),
  playground: () => import("./pages/playground.js"),
  costs: () => import("./pages/costs.js"),
  caches: () => import("./pages/caches.js"),
  budgets: () => import("./pages/budgets.js"),
  ledger: () => import("./pages/ledger.js"),
  keys: () => import("./pages/keys.js"),
  "provider-keys": () => import("./pages/provider_keys.js"),
  teams: () => import("./pages/teams.js"),
  users: () => import("./pages/users.js"),
  settings: () => import("./pages/settings.js"),
};

/** Pages of which the API may have nothing. */
const OFFERED = { "provider-keys": "/provider-keys", teams: "/teams", users: "/users" };

/** Pages that not every role may see. */
const NEEDED = {
  requests: "read_requests",
  sessions: "read_requests",
  models: "read_gateway",
  routes: "read_gateway",
  ledger: "read_ledger",
  settings: "read_gateway",
};

const main = document.getElementById("main");

function hideWhatIsNotOffered() {
  const hidden = [
    ...Object.keys(OFFERED).filter((page) => !offers("GET", OFFERED[page])),
    ...Object.keys(NEEDED).filter((page) => !may(NEEDED[page])),
  ];
  for (const page of hidden) {
    for (const link of document.querySelectorAll(`[data-page="${page}"]`)) link.closest("li").hidden = true;
  }
  for (const group of document.querySelectorAll(".nav-group")) group.hidden = group.querySelector("li:not([hidden])") === null;
}

async function load(name) {
  try {
    return await PAGES[name]();
  } catch (error) {
    console.warn(error);
    throw new Error("This page could not be loaded. The gateway may have been upgraded: load the page again.", { cause: error });
  }
}

function frameWorks() {
  const side = document.getElementById("side");
  const menu = document.getElementById("menu-button");
  const open = (isOpen) => {
    side.classList.toggle("is-open", isOpen);
    menu.setAttribute("aria-expanded", String(isOpen));
  };
  menu.addEventListener("click", () => open(!side.classList.contains("is-open")));
  side.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    menu.focus();
  });
  document.addEventListener("weighbridge:arrived", () => open(false));
  document.getElementById("sign-out").addEventListener("click", leave);
  themeWorks(document.getElementById("theme-button"));
}

async function leave() {
  let next = null;
  try {
    next = await signOut();
  } finally {
    location.assign(next ?? "/dashboard/sign-in");
  }
}

function themeWorks(button) {
  const THEMES = ["system", "light", "dark"];
  const chosen = () => document.documentElement.dataset.theme ?? "system";
  const say = () => {
    button.textContent = `Theme: ${chosen()}`;
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("weighbridge.theme", next);
    } catch {
      // It holds for this page, then.
    }
    say();
  });
  say();
}

async function start() {
  frameWorks();
  let here;
  try {
    here = await session();
  } catch (error) {
    fill(
      main,
      failure(error, () => location.reload()),
    );
    return;
  }
  if (here === null) {
    location.replace(`/dashboard/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    return;
  }
  learnRights(here.user);
  const place = here.user.team || here.user.organisation;
  const who = document.getElementById("who");
  fill(who, here.user.name, h("span", { class: "faint" }, ` · ${here.user.role}${place ? ` of ${place}` : ""}`));
  who.title = here.user.name;
  who.hidden = false;
  await learnOffers();
  hideWhatIsNotOffered();
  await new Router(main, load).show();
}

start();
