// Lists of requests, by the filters of a view.

import { get } from "./api.js";
import { FAILED, filtersOf } from "./dimensions.js";
import { rangeOf } from "./range.js";
import { usage } from "./usage.js";

/** A page of requests, newest first. */
export async function requestsPage(query, more = {}, options = {}) {
  const range = rangeOf(query);
  const filters = await withFailures(query, range, options);
  if (filters === null) return { data: [], has_more: false, next_cursor: null };
  return get("/requests", { from: range.from, to: range.to, limit: 50, ...filters, ...more }, options);
}

/** The filters; those of `failed=1` are every kind of error that occurred. Null: none did. */
async function withFailures(query, range, options) {
  const filters = filtersOf(query, { ofRequests: true });
  if (!query.has(FAILED) || filters.error) return filters;
  const answer = await usage(range, filtersOf(query), { group_by: "error" }, options);
  const kinds = answer.data.map((row) => row.group.error).filter(Boolean);
  return kinds.length > 0 ? { ...filters, error: kinds } : null;
}

export const modelOf = (request) => (request.provider ? `${request.provider}/${request.model}` : request.requested_model);
