// Which page is shown, and its address. A page is a module with `show(view)`, which resolves to what stands in `main`; until then
// what was there stays, so that nothing flickers. Everything that a view depends on is in its address.

import { ApiError } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { failure } from "../parts/states.js";

const SLOW_MS = 150;

/** What a page is given. `signal` is aborted when the view is left; `query` and `thing` come from the address. */
class View {
  constructor(router, name, thing, query, signal) {
    this.name = name;
    this.thing = thing;
    this.query = query;
    this.signal = signal;
    this._router = router;
  }

  /** The address of this page with other parameters; null takes one away, a list repeats it. */
  link(changes) {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(changes)) {
      query.delete(name);
      for (const each of Array.isArray(value) ? value : [value])
        if (each !== null && each !== undefined && each !== "") query.append(name, each);
    }
    const text = query.toString();
    return `/dashboard/${this.name}${this.thing ? `/${encodeURIComponent(this.thing)}` : ""}${text ? `?${text}` : ""}`;
  }

  /** Go to this page with other parameters. */
  change(changes) {
    this._router.go(this.link(changes));
  }

  go(path) {
    this._router.go(path);
  }

  /** Show the same again with figures of now. */
  refresh() {
    return this._router.show({ isRefresh: true });
  }

  /** Call a function every so often while the view is shown and the window is visible. */
  every(ms, call) {
    const timer = setInterval(() => {
      if (!document.hidden) call();
    }, ms);
    this.signal.addEventListener("abort", () => clearInterval(timer));
  }

  /** Tidy up when the view is left or drawn anew. */
  onLeave(call) {
    this.signal.addEventListener("abort", call);
  }
}

export class Router {
  /** `load(name)` gives a page's module. */
  constructor(main, load) {
    this._main = main;
    this._load = load;
    this._abort = new AbortController();
    this._shown = null;
    addEventListener("popstate", () => this.show());
    document.addEventListener("click", (event) => this._follow(event));
  }

  go(path) {
    if (path !== location.pathname + location.search) history.pushState(null, "", path);
    return this.show();
  }

  /** Show what the address says. */
  async show({ isRefresh = false } = {}) {
    const { name, thing } = placeOf(location.pathname);
    const address = location.pathname + location.search;
    const isSame = this._shown === `${name}/${thing}`;
    this._abort.abort();
    this._abort = new AbortController();
    const { signal } = this._abort;
    const slow = isRefresh ? null : setTimeout(() => this._progress(true), SLOW_MS);
    const view = new View(this, name, thing, new URLSearchParams(location.search), signal);
    let content;
    try {
      const page = await this._load(name);
      content = await page.show(view);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) console.error(error);
      content = failure(error, () => this.show());
    } finally {
      clearTimeout(slow);
      if (!signal.aborted) this._progress(false);
    }
    if (signal.aborted) return;
    this._put(content, isSame);
    this._main.dataset.shows = address;
    const isFirst = this._shown === null;
    this._shown = `${name}/${thing}`;
    if (!isSame) this._arrive(name, isFirst);
  }

  _put(content, isSame) {
    const focused = isSame ? document.activeElement?.id : "";
    fill(this._main, content);
    this._main.setAttribute("aria-busy", "false");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  _arrive(name, isFirst) {
    const title = this._main.querySelector("h1")?.textContent ?? name;
    document.title = `${title} · Weighbridge`;
    for (const link of document.querySelectorAll("#nav a")) {
      if (link.dataset.page === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.dispatchEvent(new CustomEvent("weighbridge:arrived"));
    // A page that the browser loaded begins at its top; for one that we put in its place the reader is led to it.
    if (isFirst) return;
    if (document.activeElement === document.body || !document.activeElement?.isConnected) this._main.focus({ preventScroll: true });
    scrollTo(0, 0);
    announce(`${title} is shown`);
  }

  _progress(isOn) {
    document.querySelector(".progress")?.remove();
    if (isOn) document.body.append(h("div", { class: "progress", "aria-hidden": "true" }));
    this._main.setAttribute("aria-busy", String(isOn));
  }

  _follow(event) {
    const link = event.target.closest?.("a[href]");
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !url.pathname.startsWith("/dashboard/") || url.pathname === "/dashboard/sign-in") return;
    if (url.hash && url.pathname === location.pathname) return;
    event.preventDefault();
    this.go(url.pathname + url.search);
  }
}

function placeOf(path) {
  const [, , name = "overview", thing = ""] = path.split("/");
  return { name, thing: decodeURIComponent(thing) };
}
