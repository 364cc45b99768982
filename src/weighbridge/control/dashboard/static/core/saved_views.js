// Views that the reader has given a name, kept in this browser.

const PLACE = "weighbridge.views";

/** Name to query, of one page. */
export function savedViews(page) {
  try {
    const all = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
    return typeof all[page] === "object" && all[page] !== null ? all[page] : {};
  } catch {
    return {};
  }
}

export const saveView = (page, name, query) => write(page, { ...savedViews(page), [name]: query });

export function forgetView(page, name) {
  const { [name]: _gone, ...rest } = savedViews(page);
  write(page, rest);
}

function write(page, views) {
  let all = {};
  try {
    all = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
  } catch {
    // What was there cannot be read: it is begun anew.
  }
  localStorage.setItem(PLACE, JSON.stringify({ ...all, [page]: views }));
}
