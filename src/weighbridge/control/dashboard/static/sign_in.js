// Signing in by an admin key, by e-mail and password, or at an OpenID provider.

import { signIn, signInWays } from "./core/api.js";

const HOME = "/dashboard/overview";

/** Why a sign-in at the provider came to nothing. Only these sentences are shown: an address may hold any text. */
const REFUSALS = {
  off: "Nobody signs in this way here.",
  stale: "This sign-in was begun in another browser or too long ago, or has ended already. Try again.",
  cancelled: "The provider says that you have not signed in.",
  rejected: "The provider has turned the gateway's question down. The gateway's log says why.",
  unavailable: "The provider cannot be reached at the moment. Try again soon, or sign in another way.",
  not_trusted: "The provider's answer does not hold, so nobody was signed in. The gateway's log says why.",
  locked_out: "Signing in has failed too often from your address: wait a little.",
  no_email: "The provider does not say what your e-mail address is.",
  unverified_email: "The provider has not verified your e-mail address.",
  other_domain: "Your e-mail address is not of a domain that may come in here.",
  groups_left_out: "You are in more groups than the provider tells of. Ask whoever looks after the gateway.",
  unknown_user: "You are no user of this gateway. Ask whoever looks after it.",
  no_role: "None of your groups has a role in this gateway. Ask whoever looks after it.",
  blocked: "You are blocked here. Ask whoever looks after the gateway.",
  other_account: "The user of your e-mail address has signed in with another account. Ask whoever looks after the gateway.",
};

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

/** What the gateway has configured: a button for its provider, and no tab for passwords where there are none. */
async function offer() {
  const ways = await signInWays();
  if (ways?.password === false) document.querySelector("[role=tablist]").hidden = true;
  if (!ways?.oidc) return;
  const link = document.getElementById("sign-in-oidc");
  link.textContent = `Sign in with ${ways.oidc.name}`;
  link.href = `${ways.oidc.start}?${new URLSearchParams({ next: next() })}`;
  document.getElementById("sign-in-elsewhere").hidden = false;
  if (document.activeElement === firstField && !firstField.value) link.focus();
}

const firstField = document.getElementById("admin-key");
firstField.focus();
const refused = new URLSearchParams(location.search).get("refused");
if (refused !== null) refusal.textContent = Object.hasOwn(REFUSALS, refused) ? REFUSALS[refused] : "Signing in has failed.";
offer();
