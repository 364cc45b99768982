// By what requests can be filtered and grouped, as the API names it.

export const DIMENSIONS = [
  { name: "model", title: "Model", plural: "models" },
  { name: "provider", title: "Provider", plural: "providers" },
  { name: "route", title: "Route", plural: "routes" },
  { name: "key", title: "Key", plural: "keys" },
  { name: "team", title: "Team", plural: "teams" },
  { name: "user", title: "User", plural: "users" },
  { name: "organisation", title: "Organisation", plural: "organisations" },
  { name: "end_user", title: "End user", plural: "end users" },
  { name: "tag", title: "Tag", plural: "tags" },
  { name: "session", title: "Session", plural: "sessions" },
  { name: "error", title: "Error", plural: "errors" },
  { name: "dialect", title: "Dialect", plural: "dialects" },
  { name: "rating", title: "Rating", plural: "ratings" },
  { name: "label", title: "Feedback label", plural: "feedback labels" },
];
const NAMES = new Set(DIMENSIONS.map((each) => each.name));

/** What requests say of themselves under a name of their own: grouped by `property.env`, filtered by the tag `env=prod`. */
const PROPERTY = "property.";
const isProperty = (name) => name.startsWith(PROPERTY) && name.length > PROPERTY.length;

/** What a request can be filtered by besides, as the list of requests takes it. */
export const REQUEST_FILTERS = [
  { name: "status", title: "Status", kind: "number" },
  { name: "min_cost_nanousd", title: "Cost from", kind: "money" },
  { name: "is_stream", title: "Streamed", kind: "boolean" },
  { name: "request_id", title: "Request id", kind: "text" },
];
const REQUEST_NAMES = new Set(REQUEST_FILTERS.map((each) => each.name));

/** `?failed=1`, a filter of ours: every kind of error. */
export const FAILED = "failed";

export const isDimension = (name) => NAMES.has(name) || isProperty(name ?? "");

/** What figures can be grouped by, as a choice: `used` is usage by tag, which tells the properties. */
export function groupings(used) {
  const names = used.map((row) => row.group.tag.split("=")).flatMap((parts) => (parts.length > 1 ? [parts[0]] : []));
  const properties = [...new Set(names)].sort().slice(0, 50);
  return [
    ...DIMENSIONS.map((each) => [each.name, `By ${each.title.toLowerCase()}`]),
    ...properties.map((name) => [`${PROPERTY}${name}`, `By property ${name}`]),
  ];
}

export function titleOf(name) {
  if (isProperty(name)) return name.slice(PROPERTY.length);
  return [...DIMENSIONS, ...REQUEST_FILTERS].find((each) => each.name === name)?.title ?? name;
}

/** The filters of a view as the API's parameters. */
export function filtersOf(query, { ofRequests = false } = {}) {
  const found = {};
  for (const [name, value] of query) {
    if (value !== "" && (NAMES.has(name) || (ofRequests && REQUEST_NAMES.has(name)))) (found[name] ??= []).push(value);
  }
  return found;
}

/** A link to the requests behind a figure: the span and filters of the view, and more filters. */
export function requestsLink(query, more = {}) {
  const linked = new URLSearchParams();
  const names = Object.keys(more).filter(isProperty);
  for (const name of ["from", "to"]) if (query.has(name)) linked.set(name, query.get(name));
  for (const [name, values] of Object.entries(filtersOf(query, { ofRequests: true }))) {
    if (!(name in more) && !(name === "tag" && names.length > 0)) for (const value of values) linked.append(name, value);
  }
  if (query.has(FAILED) && !(FAILED in more)) linked.set(FAILED, "1");
  for (const [name, value] of Object.entries(more)) {
    if (value === null || value === undefined || value === "") continue;
    if (isProperty(name)) linked.append("tag", `${name.slice(PROPERTY.length)}=${value}`);
    else linked.set(name, value);
  }
  const text = linked.toString();
  return `/dashboard/requests${text ? `?${text}` : ""}`;
}

/** How a value of a dimension is shown; `names` are the keys' names by id. */
export function labelOf(dimension, value, names = null) {
  if (value === null || value === undefined || value === "") return `(no ${titleOf(dimension).toLowerCase()})`;
  return (dimension === "key" && names?.get(value)) || String(value);
}
