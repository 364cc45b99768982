// What this gateway's API has, by its own description: pages show no control that would only be refused.

import { get } from "./api.js";

let described = null;

/** Read the description, once. Where it cannot be read, everything counts as there, and the API will say. */
export async function learnOffers() {
  try {
    described = await get("/openapi.json");
  } catch {
    described = null;
  }
}

/** Whether the API has this operation: `offers("POST", "/budgets")`. */
export function offers(method, path) {
  if (described === null) return true;
  const wanted = `/admin/v1${unnamed(path)}`;
  const found = Object.entries(described.paths ?? {}).find(([each]) => unnamed(each) === wanted);
  return found !== undefined && method.toLowerCase() in found[1];
}

/** A path whose parts have no names. */
const unnamed = (path) => path.replaceAll(/\{[^}]*\}/g, "{}");

/** Whether a body of this name takes a field. A body that the description does not name takes any. */
export function takes(schema, field) {
  const properties = described?.components?.schemas?.[schema]?.properties;
  return properties === undefined || field in properties;
}
