// Keys' names by id: figures that are grouped by key have ids, and people know names.

import { list } from "./api.js";
import { optional } from "../parts/states.js";

export async function keyNames(options) {
  const keys = await optional(list("/keys", {}, options), []);
  return new Map(keys.map((key) => [key.id, key.name]));
}
