// The admin API, as any client sees it: JSON, a session cookie, and a token against forged requests on whatever changes something.

import { parseJson, writeJson } from "./json.js";

const PREFIX = "/admin/v1";
const UNSAFE = new Set(["POST", "PUT", "PATCH", "DELETE"]);
const PATIENCE_MS = 60_000;

let csrfToken = null;

/** A refusal, or a gateway that cannot be reached (`status` 0). */
export class ApiError extends Error {
  constructor(status, code, message, param, problems) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param ?? null;
    this.problems = problems ?? [];
  }
}

/** Who is signed in; null: nobody. Remembers the token that unsafe requests carry. */
export async function session() {
  try {
    const found = await get("/session", {}, { staysOnRefusal: true });
    csrfToken = found.csrf_token ?? csrfToken;
    return found;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

export async function signIn(credentials) {
  const found = await request("POST", "/session", { body: credentials, staysOnRefusal: true });
  csrfToken = found.csrf_token;
  return found;
}

/** How one may sign in here; null where the gateway does not say. */
export async function signInWays() {
  try {
    return await get("/session/ways", {}, { staysOnRefusal: true });
  } catch {
    return null;
  }
}

/** Where to go on to: the OpenID provider's own signing out, or null. */
export async function signOut() {
  const told = await request("DELETE", "/session", {});
  csrfToken = null;
  return told?.continue_at ?? null;
}

/** GET; `params` are appended as a query, lists repeated, empty ones left away. */
export function get(path, params = {}, options = {}) {
  return request("GET", path + queryOf(params), options);
}

export function post(path, body, headers = {}) {
  return request("POST", path, { body, headers });
}

/** PATCH; `version` is the ETag that the change is made to, where the resource has one. */
export function patch(path, body, version = null) {
  return request("PATCH", path, { body, headers: version === null ? {} : { "if-match": version } });
}

export function remove(path) {
  return request("DELETE", path, {});
}

/** GET that also gives the ETag, for a PATCH to follow. */
export async function getVersioned(path) {
  const response = await answer("GET", path, {});
  return { value: await bodyOf(response), version: response.headers.get("etag") };
}

/** All pages of a list, up to `most` items. */
export async function list(path, params = {}, options = {}, most = 2_000) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { limit: 200, ...params, cursor }, options);
    items.push(...page.data);
    cursor = page.has_more ? page.next_cursor : null;
  } while (cursor && items.length < most);
  return items;
}

export function queryOf(params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") query.append(name, String(each));
    }
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** A key that makes a repeated POST the same one. */
export function idempotencyKey() {
  return { "idempotency-key": crypto.randomUUID ? crypto.randomUUID() : randomHex() };
}

function randomHex() {
  // Over plain HTTP from another host there is no randomUUID.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function request(method, path, options) {
  return bodyOf(await answer(method, path, options));
}

async function answer(method, path, { body, headers = {}, signal, staysOnRefusal = false }) {
  const sent = { accept: "application/json", ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  if (UNSAFE.has(method) && csrfToken) sent["x-csrf-token"] = csrfToken;
  const limits = [AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])];
  let response;
  try {
    response = await fetch(PREFIX + path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : writeJson(body),
      credentials: "same-origin",
      signal: AbortSignal.any ? AbortSignal.any(limits) : (signal ?? limits[0]),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", "The gateway cannot be reached.");
  }
  if (response.ok) return response;
  const refusal = await refusalOf(response);
  if (refusal.status === 401 && !staysOnRefusal) {
    const here = location.pathname + location.search;
    location.assign(`/dashboard/sign-in?next=${encodeURIComponent(here)}`);
  }
  throw refusal;
}

async function refusalOf(response) {
  let told = {};
  try {
    told = (await response.json()).error ?? {};
  } catch {
    // Not JSON: something between us and the gateway answered.
  }
  return new ApiError(
    response.status,
    told.code,
    told.message ?? `The gateway answered ${response.status}.`,
    told.param,
    told.problems,
  );
}

async function bodyOf(response) {
  if (response.status === 204) return null;
  const text = await response.text();
  return text ? parseJson(text) : null;
}

/** What a changed or deleted thing must still be: its ETag, or any where it has none. */
async function versionOf(path) {
  try {
    return (await getVersioned(path)).version ?? "*";
  } catch (error) {
    if (error.status === 404 || error.status === 405) return "*";
    throw error;
  }
}

/** PATCH what is there now. */
export async function change(path, body) {
  return request("PATCH", path, { body, headers: { "if-match": await versionOf(path) } });
}

/** DELETE what is there now. */
export async function drop(path) {
  return request("DELETE", path, { headers: { "if-match": await versionOf(path) } });
}
