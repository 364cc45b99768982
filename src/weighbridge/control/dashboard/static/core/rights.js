// What whoever is signed in may do: pages show no control that would only be refused.

let allowed = null;
let user = {};

/** From the session's user. A gateway that tells nothing allows everything as far as a page knows, and refuses by itself. */
export function learnRights(found) {
  user = found;
  allowed = Array.isArray(found.may) ? new Set(found.may) : null;
}

/** Whether one of these permissions is there: `may("manage_keys")`. */
export const may = (...permissions) => allowed === null || permissions.some((each) => allowed.has(each));

/** Who is signed in. */
export const me = () => user;
